"""Convert one entry of a source to a piece of a corpus: decode, quantize, pack and fingerprint it.

Entries are untrusted input: each becomes either a piece or a record with the reason why it was skipped. The texts of
these reasons are stored in meta.json.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.duplicates import Hashes, fingerprints
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.sources.base import Entry, Unreadable
from bgmusic.music.corpora.sources.lpd import decode_lpd
from bgmusic.music.corpora.sources.musegan import decode_cells
from bgmusic.music.corpora.tiles import Tiles, pack_tiles
from bgmusic.music.corpora.timing import timing_record
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import COMMON_TIME, Song
from bgmusic.music.rolls.collecting import split_annotations
from bgmusic.music.rolls.encodings import encoding_loss
from bgmusic.music.rolls.grid import StepNotes
from bgmusic.music.rolls.grid_fit import grid_fit
from bgmusic.music.rolls.tracks import TrackSet
from bgmusic.plurals import count_of

# Tonics by fifths, from seven flats in major to seven sharps in minor.
TONICS = (
    *("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"),
    *("G#", "D#", "A#"),
)


@dataclass(frozen=True, eq=False)
class Piece:
    """The content of one entry, as a corpus stores it.

    Attributes:
        record: the entry of the piece in meta.json.
        tiles: the packed bars.
        passages: (n, 3): unbroken runs of bars: first bar in the piece (from 0), its row in ``tiles.bars``, length.
        phrases: (n, 2): passage, and first bar within it.
        prints: (n,): fingerprints, for finding duplicates.

    """

    record: dict[str, Any]
    tiles: Tiles
    passages: NDArray[np.int64]
    phrases: NDArray[np.int64]
    prints: Hashes


def read_piece(entry: Entry, content: bytes, settings: Settings) -> Piece | dict[str, Any]:
    """Return the piece of an entry, or a record whose "skipped" is the reason, in one line, why there is none."""
    record: dict[str, Any] = {"name": entry.name}
    try:
        song, digest = decode(entry, content, settings)
        return _piece(song, record | {"sha256": digest}, settings, entry.kind)
    except (Unreadable, UserError) as error:
        reason = str(error)
    except MemoryError:
        reason = "it needs more memory than there is"
    except Exception as error:  # one file must not abort a build of thousands; its name and reason are recorded
        reason = f"unexpected {type(error).__name__}: {error}"
    return record | {"skipped": " ".join(reason.split())[:300]}


def decode(entry: Entry, content: bytes, settings: Settings) -> tuple[Song, str]:
    """Return the song, and the SHA-256 of its file."""
    if entry.kind == "unusable":
        raise Unreadable(entry.reason)
    if entry.kind == "music21":
        from bgmusic.music.corpora.sources.music21_corpus import decode_music21

        song, content = decode_music21(content)
    elif entry.kind == "muspy":
        from bgmusic.music.corpora.sources.muspy_dataset import decode_muspy

        song = decode_muspy(content)
        content = song.notes.tobytes()
    elif entry.kind == "lpd":
        song = decode_lpd(content)
    elif entry.kind == "cells":
        tracks = settings.shape.track_set.tracks
        names, drums = tuple(t.name for t in tracks), tuple(t.is_drum for t in tracks)
        song = decode_cells(content, names, drums, settings.shape.metre or COMMON_TIME)
    else:
        song = read_midi(content, controls=settings.pedal)
    return song, hashlib.sha256(content).hexdigest()


def _piece(song: Song, record: dict[str, Any], settings: Settings, kind: str) -> Piece | dict[str, Any]:
    track_set, bars = settings.shape.track_set, settings.shape.bars
    if kind == "cells":
        track_set = _by_number(track_set)
    music, _ = split_annotations(song, track_set)
    if not len(music.notes):
        raise Unreadable("it has no notes" + (" besides annotations" if len(song.notes) else ""))
    fit = grid_fit(music, settings.shape.resolution)
    record["grid_fit"] = round(fit, 3)
    if song.repairs:
        record["repairs"] = list(song.repairs)[:8]
    if fit < settings.min_grid_fit:
        return record | {"skipped": f"its notes follow no beat: {fit:.0%} of onsets are near one of its parts"}
    sounding = int(np.count_nonzero(np.bincount(music.notes["part"])))
    if track_set.by == "part" and sounding != len(track_set):
        parts = f"{count_of(sounding, 'part')} that {'sounds' if sounding == 1 else 'sound'}"
        raise Unreadable(f"it has {parts}, the track set {len(track_set)}")
    piece = settings.quantise(song, track_set)
    losses = {name: count for name, count in vars(piece.losses).items() if count}
    record["losses"] = losses | {
        f"{encoding}_encoding": round(encoding_loss(piece.notes, piece.track_set, encoding).lost, 5)
        for encoding in ("pause", "onset")
    }
    record |= timing_record(piece, settings)
    if len(song.key_signatures):
        record["key"] = key_name(int(song.key_signatures["fifths"][0]), bool(song.key_signatures["minor"][0]))
    runs = [run for run in _ended(settings.runs(piece), piece, bars) if run[1] - run[0] >= bars]
    if not runs:
        return record | {"skipped": _no_bars(piece, settings)}
    return _pack(piece, runs, record, settings)


def _no_bars(piece: StepNotes, settings: Settings) -> str:
    """Say that a piece has too few bars of the metre in a row."""
    bars = count_of(settings.shape.bars, "bar")
    row = " in a row" if settings.shape.bars > 1 else ""
    return f"it has no {bars} of {settings.metre_name}{row}{_other_metres(piece)}"


def _other_metres(piece: StepNotes) -> str:
    """List the most frequent metres of a piece, if they are not 4/4 alone."""
    counts = Counter(f"{numerator}/{denominator}" for numerator, denominator in piece.metres.tolist())
    if set(counts) <= {"4/4"}:
        return ""
    return f" (bars: {', '.join(f'{count} of {metre}' for metre, count in counts.most_common(3))})"


def _ended(runs: list[tuple[int, int]], piece: StepNotes, bars: int) -> list[tuple[int, int]]:
    """End the runs where the last phrase with a note may end: silence after it needs no storage."""
    last = int((piece.notes["onset"] + piece.notes["duration"]).max(initial=0))
    end = int(np.searchsorted(piece.bar_starts, last)) + bars - 1
    return [(start, min(stop, end)) for start, stop in runs]


def _pack(
    piece: StepNotes, runs: list[tuple[int, int]], record: dict[str, Any], settings: Settings
) -> Piece | dict[str, Any]:
    bars = np.concatenate([np.arange(*run) for run in runs])
    tiles = pack_tiles(piece, bars, settings.shape.steps, settings.shape.encoding)
    lengths = [stop - start for start, stop in runs]
    rows = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    passages = np.stack([[start for start, _ in runs], rows, lengths], axis=1).astype(np.int64)
    phrases = [
        np.stack([np.full(len(starts), number), starts], axis=1)
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True))
        for starts in [settings.hops(tiles.bars[row : row + length] != 0)]
    ]
    table = np.concatenate(phrases).astype(np.int64)
    if not len(table):
        few = settings.min_tracks
        where = count_of(settings.shape.bars, "bar")
        return record | {
            "skipped": f"no {where} in which {few} or more of its tracks play (--min-tracks asks for fewer)"
        }
    record["bars"], record["phrases"] = len(bars), len(table)
    return Piece(record, tiles, passages, table, fingerprints(piece, runs))


def _by_number(track_set: TrackSet) -> TrackSet:
    """Return the track set with the index of each track as its program, for songs with the same tracks in order."""
    tracks = [
        replace(track, programs=() if track.is_drum else (number,)) for number, track in enumerate(track_set.tracks)
    ]
    return TrackSet(track_set.name, tuple(tracks), track_set.low, track_set.pitches)


def key_name(fifths: int, minor: bool) -> str:
    """Return the name of a key signature: ``key_name(-3, True)`` is "C minor".

    Args:
        fifths: number of sharps, or of flats if negative.
        minor: whether the key is minor.

    Raises:
        ValueError: there is no name for so many sharps or flats.

    """
    place = fifths + 7 + 3 * minor
    if not 0 <= place < len(TONICS):
        raise ValueError(f"no key has {fifths} sharps (negative: flats)")
    return f"{TONICS[place]} {'minor' if minor else 'major'}"
