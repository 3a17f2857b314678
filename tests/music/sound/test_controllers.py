"""Sustain pedal, volume and expression: against a tick-by-tick simulation, and in rendered audio."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from songs import level, song

from bgmusic.music import Song, read_midi, write_midi
from bgmusic.music.midi.pedal import sounding_ends
from bgmusic.music.midi.song import CONTROL, NOTE, sort_notes, table
from bgmusic.music.sound import render
from bgmusic.music.sound.controllers import level_factors
from bgmusic.music.sound.fluidsynth import _in_seconds
from bgmusic.music.sound.timing import timed_notes

CASES = Path(__file__).parents[2] / "data" / "midi_cases"
PEDAL, VOLUME, EXPRESSION = 64, 7, 11


def controlled(piece: Song, *rows: tuple[float, int, int], part: int = 0) -> Song:
    """Add controllers of (beat, number, value) to a piece."""
    return replace(piece, controls=table(CONTROL, [(round(beat * 480), part, *rest) for beat, *rest in rows]))


@dataclass
class Sounding:
    onset: int
    stop: int
    pitch: int
    part: int
    replaced: bool = False  # its key was struck again before it was released
    end: int | None = None


def simulated_ends(piece: Song) -> list[int]:
    """Simulate the end of each note tick by tick: pedals, keys struck, keys released."""
    notes = [
        Sounding(int(n["onset"]), int(n["onset"] + n["duration"]), int(n["pitch"]), int(n["part"])) for n in piece.notes
    ]
    last = max([piece.end, *(note.stop for note in notes)])
    down = {0: False, 1: False}
    for tick in range(last + 1):
        before = dict(down)
        for at, part, _, value in piece.controls.tolist():
            if at == tick:
                down[part] = value >= 64
        for note in notes:
            if note.end is None and note.stop <= tick and not (before[note.part] and down[note.part]):
                note.end = tick
        for struck in notes:
            for note in notes:
                if struck.onset == tick > note.onset and (struck.pitch, struck.part) == (note.pitch, note.part):
                    note.replaced = True
                    if note.end is None and note.stop <= tick:
                        note.end = tick
        for note in notes:
            if note.end is None and note.stop == tick and note.replaced:
                note.end = tick
    return [last if note.end is None else note.end for note in notes]


small = st.integers(0, 12)
wild_notes = st.lists(
    st.tuples(small, st.integers(1, 6), st.integers(60, 61), st.integers(0, 1)), min_size=1, max_size=8
)
wild_pedals = st.lists(st.tuples(small, st.integers(0, 1), st.sampled_from([0, 63, 64, 127])), max_size=8)


@given(wild_notes, wild_pedals, st.integers(0, 30))
def test_the_pedal_agrees_with_a_simulation(notes: list, pedals: list, end: int) -> None:
    # Notes of one pitch and part begin at different times.
    first = {(onset, pitch, part): length for onset, length, pitch, part in notes}
    rows = [(onset, length, pitch, 100, 0, False, part) for (onset, pitch, part), length in first.items()]
    controls = sorted((tick, part, PEDAL, value) for tick, part, value in pedals)
    # The last event of a tick and part wins.
    controls = [row for i, row in enumerate(controls) if row[:2] not in [other[:2] for other in controls[i + 1 :]]]
    piece = Song(4, sort_notes(table(NOTE, rows)), end=end, controls=table(CONTROL, controls))
    assert sounding_ends(piece).tolist() == simulated_ends(piece)


def test_without_controllers_nothing_changes() -> None:
    piece = song((0, 1, 60), (0.5, 2, 62))
    assert sounding_ends(piece).tolist() == (piece.notes["onset"] + piece.notes["duration"]).tolist()
    assert level_factors(piece).tolist() == [1, 1]


def test_volume_and_expression_apply_from_their_tick_on() -> None:
    piece = song((0, 1, 60), (1, 1, 60), (2, 1, 60), (3, 1, 60))
    piece = controlled(
        piece, (1, VOLUME, 50), (2, VOLUME, 100), (2.5, EXPRESSION, 0), (2.9, EXPRESSION, 127), (3, VOLUME, 127)
    )
    assert level_factors(piece).tolist() == pytest.approx([1, 0.25, 1, 1.27**2], rel=1e-6)
    other = replace(piece, controls=table(CONTROL, [(0, 1, VOLUME, 0)]))
    assert level_factors(other).tolist() == [1] * 4  # the controller of another part


def test_controllers_change_the_audio(tmp_path) -> None:
    # An organ has no decay: its sound ends with the note.
    piece = song((0, 0.5, 60), (3, 0.5, 60), (4, 0.5, 60), program=19, end=6)
    with_pedal = controlled(piece, (0.2, PEDAL, 127), (2, PEDAL, 0), (3.9, VOLUME, 50))
    write_midi(with_pedal, tmp_path / "pedal.mid")
    with_pedal = read_midi(tmp_path / "pedal.mid", controls=True)
    audio = render(with_pedal, loudness=None, reverb=0)
    assert level(audio, 1.5, 1.9) > -50
    assert level(audio, 2.5, 2.9) < -70
    assert level(audio, 3.1, 3.4) - level(audio, 4.1, 4.4) == pytest.approx(12.04, abs=0.3)
    plain = render(replace(with_pedal, controls=table(CONTROL)), loudness=None, reverb=0)
    assert level(plain, 1.5, 1.9) < -70
    assert level(plain, 3.1, 3.4) - level(plain, 4.1, 4.4) == pytest.approx(0, abs=0.3)


def test_fluidsynth_gets_pedal_and_volume_as_durations_and_velocities() -> None:
    piece = controlled(song((0, 1, 60), (2, 1, 60), end=4), (0, PEDAL, 127), (1.5, PEDAL, 0), (2, VOLUME, 25))
    (rendered,) = _in_seconds(timed_notes(piece))
    notes = rendered.notes
    assert notes["duration"].tolist() == [15_000, 10_000]
    assert notes["velocity"].tolist() == [100, 25]
    loud = controlled(song((0, 1, 60, 127)), (0, VOLUME, 127))
    assert _in_seconds(timed_notes(loud))[0].notes["velocity"].tolist() == [127]


def test_a_file_of_pedals_alone_is_quick() -> None:
    rng = np.random.default_rng(0)
    rows = [(tick, 1, int(rng.integers(30, 90)), 80, 0, False, 0) for tick in range(20_000)]
    pedals = [(tick, 0, PEDAL, int(rng.integers(0, 128))) for tick in range(20_000)]
    piece = Song(480, sort_notes(table(NOTE, rows)), controls=table(CONTROL, pedals))
    ends = sounding_ends(piece)
    assert (ends >= piece.notes["onset"] + 1).all()


def test_the_pedal_sounds_alike_in_whatever_track_it_stands() -> None:
    audios = [
        render(read_midi(CASES / f"pedal-{where}-track.mid", controls=True), 8_000)
        for where in ("own", "other", "left-hand")
    ]
    assert np.abs(audios[0] - audios[1]).max() < 1e-4
    assert np.abs(audios[0] - audios[2]).max() < 1e-4


def test_volume_in_another_track_is_quiet() -> None:
    quiet = read_midi(CASES / "volume-other-track.mid", controls=True)
    loud = replace(quiet, controls=table(CONTROL))
    levels = [level(render(piece, loudness=None, reverb=0), 0, 1) for piece in (quiet, loud)]
    assert levels[1] - levels[0] == pytest.approx(40, abs=0.5)  # volume 10 of 100


def test_fluidsynth_renders_more_programs_than_channels_in_several_runs() -> None:
    rows = [(480 * part, 480, 60, 90, part, False, part) for part in range(40)]
    rows += [(480 * kit, 480, 36, 90, 8 * kit, True, 40) for kit in range(2)]
    songs = _in_seconds(timed_notes(Song(480, sort_notes(table(NOTE, rows)))))
    assert sum(len(one.notes) for one in songs) == 42
    for one in songs:
        sounds = set(one.notes[["program", "is_drum"]].tolist())
        assert sum(not drums for _, drums in sounds) <= 15
        assert sum(drums for _, drums in sounds) <= 1
