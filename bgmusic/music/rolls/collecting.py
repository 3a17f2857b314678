"""Assign the notes of a song to the tracks of a track set, and set annotations aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.tracks import PERCUSSION, TrackSet


def split_annotations(song: Song, track_set: TrackSet) -> tuple[Song, Song]:
    """Split a song into its music and its annotations, such as the chords that an annotator wrote as notes.

    Args:
        song: the song.
        track_set: its ``annotations`` name the parts.

    Returns:
        The song without the notes of annotations, and the song with those notes alone. Both keep all parts.

    """
    aside = in_annotations(song, track_set)
    if not aside.any():
        return song, replace(song, notes=song.notes[:0])
    return replace(song, notes=song.notes[~aside]), replace(song, notes=song.notes[aside])


def in_annotations(song: Song, track_set: TrackSet) -> NDArray[np.bool_]:
    """Return which notes are annotations, boolean ``(notes,)``; see :func:`split_annotations`."""
    named = np.array([*track_set.match_annotations(list(song.parts)), False], np.bool_)
    aside: NDArray[np.bool_] = named[np.minimum(song.notes["part"], len(song.parts))]
    return aside


def tracks_of(song: Song, track_set: TrackSet) -> NDArray[np.int64]:
    """Return the track of every note: int64 ``(notes,)``, ``len(track_set)`` for notes that no track collects.

    Each rule of ``track_set.rules`` assigns the notes that the rules before it left. Tracks that are not drums collect
    no percussion by name and by channel, and by part if the set has no drums.

    Raises:
        UserError: the set assigns ``by="part"``, and the parts do not match it.

    """
    if track_set.by == "part":
        return _by_part(song, track_set)
    none = len(track_set)
    result: NDArray[np.int64] | None = None
    for rule in track_set.rules:
        if rule == "program":
            found = track_set.by_sound.take(np.where(song.notes["is_drum"], PERCUSSION, song.notes["program"]))
        else:
            found = _by_name_or_channel(song, track_set, rule)
        result = found if result is None else np.where(result == none, found, result)
        if (result < none).all():
            break
    return np.full(len(song.notes), none, np.int64) if result is None else result


def _sounding(song: Song) -> tuple[list[int], list[str]]:
    """Return the parts with notes, and their names."""
    sounding = np.flatnonzero(np.bincount(song.notes["part"])).tolist()
    return sounding, [song.parts[part] if part < len(song.parts) else "" for part in sounding]


def _by_part(song: Song, track_set: TrackSet) -> NDArray[np.int64]:
    none, part = len(track_set), song.notes["part"]
    # Percussion is no voice: where no track is a drum, parts that have nothing else are left out.
    heard = np.ones(len(part), np.bool_) if track_set.drums.any() else ~song.notes["is_drum"]
    sounding, names = _sounding(replace(song, notes=song.notes[heard]))
    by_part = np.full(int(part.max(initial=0)) + 1, none, dtype=np.int64)
    by_part[sounding] = [none if track is None else track for track in track_set.assign_parts(names)]
    return np.where(heard, by_part.take(part), none)


def _by_name_or_channel(song: Song, track_set: TrackSet, rule: str) -> NDArray[np.int64]:
    none = len(track_set)
    sounding, names = _sounding(song)
    if rule == "name":
        candidates = track_set.match_names(names)
    else:
        channels = [song.channels[part] if part < len(song.channels) else 0 for part in sounding]
        candidates = [[i for i, track in enumerate(track_set.tracks) if c in track.channels] for c in channels]
    by_part = np.full((2, max(sounding, default=0) + 1), none, dtype=np.int64)  # pitched notes, percussion
    for part, matching in zip(sounding, candidates, strict=True):
        drums = [track for track in matching if track_set.tracks[track].is_drum]
        by_part[:, part] = [*matching, none][0], [*drums, none][0]
    tracks: NDArray[np.int64] = by_part[song.notes["is_drum"].astype(np.intp), song.notes["part"]]
    return tracks
