"""Test accompaniments: the given track is written back unchanged, and the other tracks are composed to it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import pytest
from command_line import bgmusic, refusal
from melodies import BEAT, melody, notes_of, song_of
from tiny_runs import MUSEGAN, SATB, make_run

from bgmusic.music.composing.accompaniment import accompany, load_composer, phrases_needed
from bgmusic.music.composing.given import read_given
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.joining import join_rolls
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.roll import Roll


def test_the_only_part_of_a_file_keeps_its_program(choir: Path, band: Path, tmp_path: Path) -> None:
    """A flute given as Soprano or as Piano stays a flute."""
    rows = melody(np.random.default_rng(0), 16, 60, 72, program=73)
    write_midi(song_of(rows, ("",), [(0, 4, 4)]), tmp_path / "flute.mid")
    for run, given in ((choir, "Soprano"), (band, "Piano")):
        out = tmp_path / given
        assert bgmusic("accompany", run, tmp_path / "flute.mid", "--given", given, "--format", "mid", "--out", out) == 0
        back = read_midi(out / "accompaniment-0000.mid")
        is_given = np.array([back.parts[part] == given for part in back.notes["part"]])
        assert set(back.notes["program"][is_given]) == {73}
        assert 73 not in set(back.notes["program"][~is_given])


@pytest.mark.parametrize("division", [480, 96, 130])
def test_controllers_and_bends_of_the_given_track_are_kept(choir: Path, tmp_path: Path, division: int) -> None:
    """Sustain pedal, expression and bends, read by mido; those of other parts are removed with their notes."""
    file = mido.MidiFile(type=1, ticks_per_beat=division)
    for name, channel in (("Tenor", 3), ("Alto", 5)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        for beat in range(16):
            value = (beat * 7 + channel) % 128
            track += [
                mido.Message("control_change", channel=channel, control=64, value=value, time=3),
                mido.Message("note_on", channel=channel, note=60 + beat % 5, velocity=80, time=0),
                mido.Message("pitchwheel", channel=channel, pitch=(beat - 8) * 1000 + channel, time=11),
                mido.Message("control_change", channel=channel, control=11, value=beat, time=0),
                mido.Message("note_off", channel=channel, note=60 + beat % 5, time=division - 14),
            ]
        file.tracks.append(track)
    file.save(tmp_path / "bent.mid")
    out = tmp_path / "out"
    assert bgmusic("accompany", choir, tmp_path / "bent.mid", "--given", "Alto", "--format", "mid", "--out", out) == 0
    back = mido.MidiFile(out / "accompaniment-0000.mid")

    def changes(file: mido.MidiFile, name: str) -> list[tuple[Fraction, str, int, int]]:
        (track,) = (track for track in file.tracks if track.name == name)
        tick, events = 0, []
        for message in track:
            tick += message.time
            when = Fraction(tick, file.ticks_per_beat)
            if message.type == "control_change":
                events.append((when, "control", message.control, message.value))
            if message.type == "pitchwheel":
                events.append((when, "bend", 0, message.pitch))
        return sorted(events)

    assert len(changes(file, "Alto")) == 48
    assert changes(back, "Alto") == changes(file, "Alto")
    assert not any(changes(back, name) for name in ("Soprano", "Tenor", "Bass"))


@pytest.mark.parametrize("seed", range(4))
def test_the_given_track_is_unchanged(choir: Path, tmp_path: Path, seed: int) -> None:
    """The file has a pickup, bars of another metre, a change of tempo, and other parts, which are replaced."""
    rng = np.random.default_rng(seed)
    rows = melody(rng, 41, 53, 74, 1, 19) + melody(rng, 41, 40, 80, 0) + melody(rng, 30, 40, 80, 2)
    metres = [(0, 1, 4), (BEAT, 4, 4), (21 * BEAT, 3, 4), (24 * BEAT, 4, 4)]
    file = tmp_path / "song.mid"
    write_midi(song_of(rows, ("Solo", "ALTO", "x"), metres), file)
    out = tmp_path / "out"
    assert bgmusic("accompany", choir, file, "--given", "alto", "-n", 2, "--seed", seed, "--out", out) == 0
    given_notes = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, *_, part in rows if part == 1}
    with np.load(out / "rolls.npz") as arrays:
        rolls, onsets = arrays["rolls"], arrays["onsets"]
    # Five bars before the 3/4, five after it, of which the last has one beat of music.
    assert rolls.shape == (2, 4, 10, 16, 48)
    for number in range(2):
        path = out / f"accompaniment-{number:04d}.mid"
        assert notes_of(path, "Alto") == given_notes
        back = read_midi(path)
        assert [tuple(row) for row in back.time_signatures.tolist()] == [
            (tick * back.ticks_per_beat // BEAT, *metre) for tick, *metre in metres
        ]
        assert back.tempos["bpm"].tolist() == pytest.approx([90, 180], rel=1e-5)  # whole microseconds
        assert set(back.notes["program"][[back.parts[part] == "Alto" for part in back.notes["part"]]]) == {19}
        # The other tracks equal those of the rolls, and are silent in the bar of three beats.
        others = {name: notes_of(path, name) for name in ("Soprano", "Tenor", "Bass")}
        assert any(others.values())
        for track, name in ((0, "Soprano"), (2, "Tenor"), (3, "Bass")):
            expected = set()
            for bars, first in ((slice(0, 5), 1), (slice(5, 10), 24)):
                notes = Roll(SATB.track_set, 4, rolls[number, :, bars], onsets[number, :, bars]).notes()
                chosen = notes[notes["track"] == track]
                begins = first * BEAT + chosen["onset"] * BEAT // 4
                expected |= set(
                    zip(
                        begins.tolist(),
                        (begins + chosen["duration"] * BEAT // 4).tolist(),
                        chosen["pitch"].tolist(),
                        strict=True,
                    )
                )
            assert {note[:3] for note in others[name]} == expected
            assert not any(21 * BEAT <= begin < 24 * BEAT for begin, *_ in others[name])
    # The rolls contain the given track too: its onsets within the bars of four beats.
    notes = Roll(SATB.track_set, 4, rolls[0, :, :5], onsets[0, :, :5]).notes()
    alto = notes[(notes["track"] == 1) & (notes["onset"] > 0)]
    assert set(((alto["onset"] * BEAT // 4) + BEAT).tolist()) == {
        begin for begin, *_ in given_notes if BEAT < begin < 21 * BEAT
    }


def test_parts_are_assigned_by_their_programs(band: Path, tmp_path: Path) -> None:
    """Two pianos in one track keep their programs, with drums and repeated notes in the pause encoding."""
    rng = np.random.default_rng(5)
    rows = melody(rng, 16, 60, 72, 0, 1) + melody(rng, 16, 40, 55, 1, 6) + melody(rng, 16, 36, 40, 2, 0, True)
    file, out = tmp_path / "song.mid", tmp_path / "out"
    write_midi(song_of(rows, ("right", "left", "kit"), [(0, 4, 4)]), file)
    assert bgmusic("accompany", band, file, "--given", "PIANO", "--out", out) == 0
    path = out / "accompaniment-0000.mid"
    pianos = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, program, *_ in rows if program}
    assert notes_of(path, "Piano") == pianos
    assert set(read_midi(path).notes["program"]) >= {1, 6}
    assert bgmusic("accompany", band, file, "--given", "0", "--out", out) == 0  # the drums
    hits = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, *_, drum, _ in rows if drum}
    assert notes_of(path, "Drums") == hits


def test_the_only_part_of_a_file_is_the_given_track_under_any_name(choir: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "song.mid", tmp_path / "out"
    rows = melody(np.random.default_rng(1), 18, 60, 81, 0, 73)
    write_midi(song_of(rows, ("Flute",), [(0, 2, 2)]), file)  # bars of half notes are as long
    assert bgmusic("accompany", choir, file, "--given", "Soprano", "--format", "mid", "--out", out) == 0
    given_notes = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, *_ in rows}
    assert notes_of(out / "accompaniment-0000.mid", "Soprano") == given_notes
    assert not (out / "rolls.npz").exists()


def test_an_accompaniment_does_not_overwrite_its_file(
    choir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / "accompaniment-0001.mid"
    file.parent.mkdir()
    rows = melody(np.random.default_rng(1), 18, 60, 81, 0, 73)
    write_midi(song_of(rows, ("Flute",), [(0, 2, 2)]), file)
    before = file.read_bytes()
    arguments = ("accompany", choir, file, "--given", "Soprano", "--format", "mid", "--out", file.parent)
    assert "overwritten" in refusal(capsys, *arguments, "-n", 2)
    assert bgmusic(*arguments, "-n", 1) == 0
    assert file.read_bytes() == before


def test_an_accompaniment_depends_on_the_given_track_and_the_seed(choir: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    file = tmp_path / "song.mid"
    write_midi(song_of(melody(rng, 40, 57, 81), ("Soprano",), [(0, 4, 4)]), file)
    shape, composer = load_composer(choir)
    given = read_given(file, shape, 0)
    first = accompany(composer, given, 1, 3)[0]
    assert join_rolls(first).bars == given.bars == 10
    # A change of a note in the first bar changes the bars composed after it.
    changed = read_given(file, shape, 0)
    changed.notes["pitch"][0] = 57 + (changed.notes["pitch"][0] - 56) % 25
    pairs = zip(accompany(composer, given, 8, 3), accompany(composer, changed, 8, 3), strict=True)
    assert any((before[0].cells[1:] != after[0].cells[1:]).any() for before, after in pairs)
    same = accompany(composer, read_given(file, shape, 0), 3, 3)
    assert np.array_equal(same[0][0].cells, accompany(composer, given, 3, 3)[0][0].cells)
    assert not np.array_equal(same[0][0].cells, same[1][0].cells)
    progress: list[int] = []
    accompany(composer, given, 2, 3, progress.append)
    assert sum(progress) == 2 * phrases_needed(given)


@pytest.mark.parametrize(
    ("run", "file", "given", "options", "phrase"),
    [
        ("musegan", "song.mid", "Soprano", (), "composer"),
        ("band", "song.mid", "Drums", (), "Drums"),
        ("none", "song.mid", "Soprano", (), "none"),
        ("choir", "none.mid", "Soprano", (), "none.mid"),
        ("choir", "song.mid", "Soprano", ("--format", "midi"), "'midi'"),
        ("choir", "long.mid", "s", (), "1,025 bars"),
    ],
)
def test_mistakes_end_in_one_line(
    run: str,
    file: str,
    given: str,
    options: tuple[str, ...],
    phrase: str,
    choir: Path,
    band: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = {"choir": choir, "band": band, "none": tmp_path / "none"}
    if run == "musegan":
        runs[run] = make_run(tmp_path / "musegan", SATB, MUSEGAN)
    song = song_of(melody(np.random.default_rng(0), 8, 60, 70), ("Soprano",), [(0, 4, 4)])
    rows = [(0, BEAT, 60, 80, 0, False, 0), (4 * 1024 * BEAT, BEAT, 60, 80, 0, False, 0)]
    write_midi(song, tmp_path / "song.mid")
    write_midi(song_of(rows, ("s",), [(0, 4, 4)]), tmp_path / "long.mid")
    out = tmp_path / "out"
    arguments = ("accompany", runs[run], tmp_path / file, "--given", given, "--out", out, *options)
    assert phrase in refusal(capsys, *arguments)
    assert not out.exists()


@pytest.mark.slow
def test_damaged_files_are_accompanied_or_refused(
    choir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = Path(__file__).parents[2] / "data" / "midi_odd"
    for path in sorted(damaged.glob("*.mid")):
        arguments = ("accompany", choir, path, "--given", "Alto", "--format", "mid", "--out", tmp_path)
        if bgmusic(*arguments):
            refusal(capsys, *arguments)
