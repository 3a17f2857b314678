"""Convert songs to and from muspy's ``Music``. ``docs/guide/formats.md`` lists what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bgmusic.music.midi.song import KEY_SIGNATURE, TEMPO, TIME_SIGNATURE, Song, map_of, require_valid_notes
from bgmusic.music.midi.write import bar_lines
from bgmusic.music.rolls.interop.instruments import instruments_of, notes_from_library
from bgmusic.music.rolls.interop.keys import fifths_of_name, fifths_of_root

if TYPE_CHECKING:
    import muspy

_MAX_FIFTHS = 7


def to_muspy(song: Song) -> muspy.Music:
    """Convert a song to a muspy ``Music`` with one track for each part and program.

    Raises:
        UserError: a note's value is outside MIDI's range.

    """
    import muspy

    require_valid_notes(song)
    tracks = []
    for instrument in instruments_of(song):
        rows = instrument.notes[["onset", "pitch", "duration", "velocity"]].tolist()
        notes = [muspy.Note(*row) for row in rows]
        tracks.append(
            muspy.Track(program=instrument.program, is_drum=instrument.is_drum, name=instrument.name, notes=notes)
        )
    return muspy.Music(
        metadata=muspy.Metadata(title=song.title or None),
        resolution=song.ticks_per_beat,
        tempos=[muspy.Tempo(tick, bpm) for tick, bpm in song.tempos.tolist()],
        time_signatures=[muspy.TimeSignature(*row) for row in bar_lines(song).tolist()],
        # Without `root`: muspy's MIDI writer spells roots with sharps only, and fails for E flat major.
        key_signatures=[
            muspy.KeySignature(tick, fifths=fifths, mode="minor" if minor else "major")
            for tick, fifths, minor in song.key_signatures.tolist()
        ],
        tracks=tracks,
    )


def from_muspy(music: muspy.Music) -> Song:
    """Convert a muspy ``Music``, such as a piece of one of its datasets, to a song.

    Chords become notes. A key signature may be given by its sharps or flats, the name of its root, or its root; one
    with none of them is left out.

    Raises:
        UserError: it has no notes, or a value is outside MIDI's range.

    """
    notes = notes_from_library(_notes(music), "muspy Music")
    keys = [
        (key.time, fifths, key.mode == "minor") for key in music.key_signatures if (fifths := _fifths(key)) is not None
    ]
    return Song(
        ticks_per_beat=music.resolution,
        notes=notes,
        tempos=map_of(TEMPO, [(t.time, t.qpm) for t in music.tempos if t.qpm > 0]),
        time_signatures=map_of(
            TIME_SIGNATURE,
            [(t.time, t.numerator, t.denominator) for t in music.time_signatures if t.numerator > 0 < t.denominator],
        ),
        key_signatures=map_of(KEY_SIGNATURE, keys),
        parts=tuple(track.name or "" for track in music.tracks),
        end=int((notes["onset"] + notes["duration"]).max()),
        title=(music.metadata.title or "") if music.metadata else "",
    )


def _notes(music: muspy.Music) -> Iterator[tuple[int, int, int, int | None, int, bool, int]]:
    """Yield (onset, end, pitch, velocity, program, is_drum, part) of each note and of each note of a chord."""
    for part, track in enumerate(music.tracks):
        for note in track.notes:
            end = note.time + note.duration
            yield note.time, end, note.pitch, note.velocity, track.program, track.is_drum, part
        for chord in track.chords:
            end = chord.time + chord.duration
            for pitch in chord.pitches:
                yield chord.time, end, pitch, chord.velocity, track.program, track.is_drum, part


def _fifths(key: muspy.KeySignature) -> int | None:
    """Return the sharps (positive) or flats (negative) of a key signature; None if it does not give them."""
    minor = key.mode == "minor"
    if key.fifths is not None:
        return key.fifths if abs(key.fifths) <= _MAX_FIFTHS else None
    if key.mode not in ("major", "minor"):
        return None
    named = fifths_of_name(key.root_str, minor) if key.root_str else None
    if named is None and key.root is not None:
        return fifths_of_root(key.root, minor)
    return named
