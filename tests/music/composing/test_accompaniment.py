"""Accompaniments: the given track comes back as it was, and the others are composed to it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
import torch
from tiny_runs import BAND, MUSEGAN, SATB, bgmusic, make_run

from bgmusic.errors import UserError
from bgmusic.gan.generate import noises
from bgmusic.music.composing.accompaniment import accompany, load_composer, phrases_needed
from bgmusic.music.composing.given import Given, read_given, track_number
from bgmusic.music.composing.write_back import with_accompaniment
from bgmusic.music.midi.read import read_midi
from bgmusic.music.midi.song import NOTE, TEMPO, TIME_SIGNATURE, Song, Table, sort_notes, table
from bgmusic.music.rolls.joining import join_rolls
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape

BEAT = 480
Rows = list[tuple[int, int, int, int, int, bool, int]]


def melody(
    rng: np.random.Generator, beats: int, low: int, high: int, part: int = 0, program: int = 52, drum: bool = False
) -> Rows:
    """Notes on sixteenths with rests and repetitions: onset, duration, pitch, velocity, program, drum, part."""
    rows: Rows = []
    tick = 0
    while tick < beats * BEAT:
        length = int(rng.integers(1, 9)) * BEAT // 4
        if rng.random() < 0.85:
            pitch = rows[-1][2] if rows and rng.random() < 0.3 else int(rng.integers(low, high + 1))
            length_ = min(length, beats * BEAT - tick)
            rows.append((tick, length_, pitch, int(rng.integers(1, 128)), program, drum, part))
        tick += length
    return rows


def song_of(rows: Rows, parts: tuple[str, ...], metres: list[tuple[int, int, int]], bpm: float = 90.0) -> Song:
    return Song(
        ticks_per_beat=BEAT,
        notes=sort_notes(np.array(rows, dtype=NOTE)),
        tempos=table(TEMPO, [(0, bpm), (8 * BEAT, 2 * bpm)]),
        time_signatures=table(TIME_SIGNATURE, metres),
        parts=parts,
    )


def heard(path: Path, name: str) -> set[tuple[int, int, int, int]]:
    """The notes of a track as another library reads them: onset and end in ticks, pitch, velocity."""
    song = pretty_midi.PrettyMIDI(str(path))
    scale = song.resolution / BEAT
    return {
        (
            round(song.time_to_tick(note.start) / scale),
            round(song.time_to_tick(note.end) / scale),
            note.pitch,
            note.velocity,
        )
        for instrument in song.instruments
        if instrument.name == name
        for note in instrument.notes
    }


@pytest.fixture(scope="module")
def choir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("choir") / "run", SATB)


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("band") / "run", BAND)


def test_a_files_only_part_keeps_its_sound(choir: Path, band: Path, tmp_path: Path) -> None:
    """A flute that stands for the soprano, a violin for the piano: each stays what it is."""
    rows = melody(np.random.default_rng(0), 16, 60, 72, program=73)
    write_midi(song_of(rows, ("",), [(0, 4, 4)]), tmp_path / "flute.mid")
    for run, given in ((choir, "Soprano"), (band, "Piano")):
        out = tmp_path / given
        assert bgmusic("accompany", run, tmp_path / "flute.mid", "--given", given, "--format", "mid", "--out", out) == 0
        back = read_midi(out / "accompaniment-0000.mid")
        mine = np.array([back.parts[part] == given for part in back.notes["part"]])
        assert set(back.notes["program"][mine]) == {73}
        assert 73 not in set(back.notes["program"][~mine])


@pytest.mark.parametrize("division", [480, 96, 130])
def test_controllers_and_bends_of_the_given_track_stay(choir: Path, tmp_path: Path, division: int) -> None:
    """Its own, by mido: a pedal, an expression pedal, bends. Those of other parts go with them."""
    file = mido.MidiFile(type=1, ticks_per_beat=division)
    for name, channel in (("Tenor", 3), ("Alto", 5)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        for beat in range(16):
            turned = (beat * 7 + channel) % 128
            track += [
                mido.Message("control_change", channel=channel, control=64, value=turned, time=3),
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

    def turns(of: mido.MidiFile, name: str) -> list[tuple[Fraction, str, int, int]]:
        (track,) = (track for track in of.tracks if track.name == name)
        tick, found = 0, []
        for message in track:
            tick += message.time
            when = Fraction(tick, of.ticks_per_beat)
            if message.type == "control_change":
                found.append((when, "control", message.control, message.value))
            if message.type == "pitchwheel":
                found.append((when, "bend", 0, message.pitch))
        return sorted(found)

    assert len(turns(file, "Alto")) == 48
    assert turns(back, "Alto") == turns(file, "Alto")
    assert not any(turns(back, name) for name in ("Soprano", "Tenor", "Bass"))


@pytest.mark.parametrize("seed", range(4))
def test_the_given_track_is_untouched(choir: Path, tmp_path: Path, seed: int) -> None:
    """With a pickup, a bar of another metre, changes of tempo, and other parts that don't matter."""
    rng = np.random.default_rng(seed)
    rows = melody(rng, 41, 53, 74, 1, 19) + melody(rng, 41, 40, 80, 0) + melody(rng, 30, 40, 80, 2)
    metres = [(0, 1, 4), (BEAT, 4, 4), (21 * BEAT, 3, 4), (24 * BEAT, 4, 4)]
    file = tmp_path / "song.mid"
    write_midi(song_of(rows, ("Solo", "ALTO", "x"), metres), file)
    out = tmp_path / "out"
    assert bgmusic("accompany", choir, file, "--given", "alto", "-n", 2, "--seed", seed, "--out", out) == 0
    mine = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, *_, part in rows if part == 1}
    with np.load(out / "rolls.npz") as arrays:
        rolls, onsets = arrays["rolls"], arrays["onsets"]
    assert rolls.shape == (2, 4, 10, 16, 48)  # 5 bars before the 3/4, 5 behind it, the last with one beat of the song
    for number in range(2):
        made = out / f"accompaniment-{number:04d}.mid"
        assert heard(made, "Alto") == mine
        back = read_midi(made)
        assert [tuple(row) for row in back.time_signatures.tolist()] == [
            (tick * back.ticks_per_beat // BEAT, *metre) for tick, *metre in metres
        ]
        assert back.tempos["bpm"].tolist() == pytest.approx([90, 180], rel=1e-5)  # whole microseconds
        assert set(back.notes["program"][[back.parts[part] == "Alto" for part in back.notes["part"]]]) == {19}
        # The others are those of the rolls, and rest in the bar of three beats.
        others = {name: heard(made, name) for name in ("Soprano", "Tenor", "Bass")}
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
    # The rolls hold the given track, too: what begins within the bars that fit.
    notes = Roll(SATB.track_set, 4, rolls[0, :, :5], onsets[0, :, :5]).notes()
    alto = notes[(notes["track"] == 1) & (notes["onset"] > 0)]
    assert set(((alto["onset"] * BEAT // 4) + BEAT).tolist()) == {
        begin for begin, *_ in mine if BEAT < begin < 21 * BEAT
    }


def test_by_programs_with_drums_and_the_papers_encoding(band: Path, tmp_path: Path) -> None:
    """Two pianos of one track, with programs of their own, both drums and repeated notes in the pause encoding."""
    rng = np.random.default_rng(5)
    rows = melody(rng, 16, 60, 72, 0, 1) + melody(rng, 16, 40, 55, 1, 6) + melody(rng, 16, 36, 40, 2, 0, True)
    file, out = tmp_path / "song.mid", tmp_path / "out"
    write_midi(song_of(rows, ("right", "left", "kit"), [(0, 4, 4)]), file)
    assert bgmusic("accompany", band, file, "--given", "PIANO", "--out", out) == 0
    made = out / "accompaniment-0000.mid"
    pianos = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, program, *_ in rows if program}
    assert heard(made, "Piano") == pianos
    assert set(read_midi(made).notes["program"]) >= {1, 6}
    assert bgmusic("accompany", band, file, "--given", "0", "--out", out) == 0  # the drums
    hits = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, *_, drum, _ in rows if drum}
    assert heard(made, "Drums") == hits


def test_one_part_is_the_given_track_whatever_it_is_called(choir: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "song.mid", tmp_path / "out"
    rows = melody(np.random.default_rng(1), 18, 60, 81, 0, 73)
    write_midi(song_of(rows, ("Flute",), [(0, 2, 2)]), file)  # bars of half notes are as long
    assert bgmusic("accompany", choir, file, "--given", "Soprano", "--format", "mid", "--out", out) == 0
    mine = {(onset, onset + length, pitch, speed) for onset, length, pitch, speed, *_ in rows}
    assert heard(out / "accompaniment-0000.mid", "Soprano") == mine
    assert not (out / "rolls.npz").exists()


def test_an_accompaniment_never_takes_the_place_of_its_own_file(
    choir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out" / "accompaniment-0001.mid"
    file.parent.mkdir()
    rows = melody(np.random.default_rng(1), 18, 60, 81, 0, 73)
    write_midi(song_of(rows, ("Flute",), [(0, 2, 2)]), file)
    before = file.read_bytes()
    arguments = ("accompany", choir, file, "--given", "Soprano", "--format", "mid", "--out", file.parent)
    assert bgmusic(*arguments, "-n", 2) == 2
    assert "would be overwritten by its own accompaniment" in capsys.readouterr().err
    assert bgmusic(*arguments, "-n", 1) == 0
    assert file.read_bytes() == before


def test_the_composer_sees_the_track_and_what_it_composed(choir: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    file = tmp_path / "song.mid"
    write_midi(song_of(melody(rng, 40, 57, 81), ("Soprano",), [(0, 4, 4)]), file)
    shape, composer = load_composer(choir)
    given = read_given(file, shape, 0)
    first = accompany(composer, given, 1, 3)[0]
    assert join_rolls(first).bars == given.bars == 10
    # Another note of the first bar changes what is composed behind it.
    changed = read_given(file, shape, 0)
    changed.notes["pitch"][0] = 57 + (changed.notes["pitch"][0] - 56) % 25
    other = accompany(composer, changed, 1, 3)[0]
    assert (first[0].cells[1:] != other[0].cells[1:]).any()
    same = accompany(composer, read_given(file, shape, 0), 3, 3)
    assert np.array_equal(same[0][0].cells, accompany(composer, given, 3, 3)[0][0].cells)
    assert not np.array_equal(same[0][0].cells, same[1][0].cells)
    told: list[int] = []
    accompany(composer, given, 2, 3, told.append)
    assert sum(told) == 2 * phrases_needed(given)
    assert next(noises(composer, 1, torch.Generator(), 1)).shape == (1, composer.latent)


def test_remarks_say_what_is_not_heard(choir: Path, tmp_path: Path) -> None:
    rows: Rows = [
        (0, BEAT, 60, 80, 0, False, 0),
        (BEAT + 7, BEAT, 62, 80, 0, False, 0),
        (2 * BEAT, BEAT, 90, 80, 0, False, 0),
        (13 * BEAT, BEAT, 64, 80, 0, False, 0),
    ]
    file = tmp_path / "song.mid"
    write_midi(song_of(rows, ("s",), [(0, 4, 4), (4 * BEAT, 3, 4)]), file)
    given = read_given(file, SATB, 0)
    assert given.bars == 1
    assert "\n".join(given.remarks) == (
        "1 notes of Soprano lie outside its pitches 57 to 81: they stay, but go unheeded\n"
        "1 notes of Soprano begin off the grid: they stay, and are taken at the nearest step\n"
        "4 bars are no full bars of 4 beats: only Soprano plays there"
    )
    out = tmp_path / "out"
    assert bgmusic("accompany", choir, file, "--given", "s", "--format", "mid", "--out", out) == 0
    assert {note[:3] for note in heard(out / "accompaniment-0000.mid", "Soprano")} == {
        (onset, onset + length, pitch) for onset, length, pitch, *_ in rows
    }


@pytest.mark.parametrize(("division", "resolution"), [(7, 4), (1, 12), (96, 4), (1000, 7), (32767, 12)])
def test_ticks_of_any_division(tmp_path: Path, division: int, resolution: int) -> None:
    """The given track's ticks are kept, and composed notes stand where they belong or on the nearest tick."""
    shape = RollShape(track_set="satb", resolution=resolution, bars=1, steps=4 * resolution, encoding="onset")
    notes = np.array([(0, 4 * division, 60, 80, 0, False, 0)], dtype=NOTE)
    song = Song(division, notes, parts=("Soprano",))
    given = Given(song, shape, 0, _steps(0, 4 * resolution, 60), ((0, 1),), ())
    cells = np.zeros((4, 1, 4 * resolution, 48), np.bool_)
    cells[1, 0, 3:5, 24] = True
    path = tmp_path / "made.mid"
    write_midi(with_accompaniment(given, [Roll(shape.track_set, resolution, cells, cells & False)]), path)
    back = read_midi(path)
    beat = back.ticks_per_beat
    assert (back.notes["onset"][0], back.notes["duration"][0]) == (0, 4 * beat)
    (alto,) = back.notes[back.notes["pitch"] == 60][1:] if len(back.notes) > 1 else back.notes[:0]
    assert abs(alto["onset"] - 3 * beat / resolution) < max(1, beat / division)
    if division != 32767:
        assert alto["onset"] * resolution == 3 * beat


def _steps(onset: int, duration: int, pitch: int) -> Table:
    from bgmusic.music.rolls.checks import STEP_NOTE

    return np.array([(0, onset, duration, pitch)], dtype=STEP_NOTE)


def test_tracks_by_name_and_number() -> None:
    tracks = SATB.track_set
    assert [track_number(name, tracks) for name in ("Soprano", " bASS", "2", "tenore", "b.")] == [0, 3, 2, 2, 3]
    for name in ("4", "-1", "violin", "", "1e1"):
        with pytest.raises(UserError, match=r"tracks of satb: Soprano \(0\), Alto \(1\)"):
            track_number(name, tracks)


def refuse(
    run: Path, file: Path, given: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> None:
    out = tmp_path / "refused"
    assert bgmusic("accompany", run, file, "--given", given, "--out", out, *more) == 2
    text = capsys.readouterr().err
    assert text.startswith("bgmusic: error: ")
    assert says in text
    assert text.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("given", "parts", "metre", "changes", "says"),
    [
        (
            "Soprano",
            ("Flute", "Oboe"),
            4,
            {},
            "2 parts that sound: Flute, Oboe (call the one you mean Soprano, or give a file with it alone)",
        ),
        ("Alto", ("Flute",), 3, {}, "no full bar of 16 steps (4 beats)"),
        ("Bass", ("Flute",), 4, {}, "no note of Bass lies within its pitches 36 to 64"),
        ("Soprano", ("kit",), 4, {"is_drum": True}, "it has no Soprano, and its only part is drums"),
        ("Violin", ("Flute",), 4, {}, "no track 'Violin'; tracks of satb"),
    ],
    ids=str,
)
def test_files_that_do_not_fit(
    choir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    given: str,
    parts: tuple[str, ...],
    metre: int,
    changes: dict[str, Any],
    says: str,
) -> None:
    rng = np.random.default_rng(0)
    rows = [row for part in range(len(parts)) for row in melody(rng, 8, 66, 74, part)]
    song = song_of(rows, parts, [(0, metre, 4)])
    for name, value in changes.items():
        song.notes[name] = value
    file = tmp_path / "song.mid"
    write_midi(song, file)
    refuse(choir, file, given, says, tmp_path, capsys)


def test_runs_and_files_that_do_not_fit(
    choir: Path, band: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "song.mid"
    write_midi(song_of(melody(np.random.default_rng(0), 8, 60, 70), ("Soprano",), [(0, 4, 4)]), file)
    musegan = make_run(tmp_path / "musegan", SATB, MUSEGAN)
    refuse(musegan, file, "Soprano", "it takes a composer to accompany", tmp_path, capsys)
    refuse(band, file, "Drums", "it has no Drums, and its only part is pitched", tmp_path, capsys)
    refuse(tmp_path / "none", file, "Soprano", "there is no run", tmp_path, capsys)
    refuse(choir, tmp_path / "none.mid", "Soprano", "No such file", tmp_path, capsys)
    refuse(choir, file, "Soprano", "'midi' is none of mid", tmp_path, capsys, "--format", "midi")
    damaged = Path(__file__).parents[2] / "data" / "midi_odd"
    for path in sorted(damaged.glob("*.mid")):
        out = tmp_path / "odd"
        code = bgmusic("accompany", choir, path, "--given", "Alto", "--format", "mid", "--out", out)
        text = capsys.readouterr().err
        assert code == 0 or (code == 2 and text.startswith("bgmusic: error: ") and text.count("\n") == 1), path.name
    long = song_of([(0, BEAT, 60, 80, 0, False, 0), (4 * 1024 * BEAT, BEAT, 60, 80, 0, False, 0)], ("s",), [(0, 4, 4)])
    write_midi(long, file)
    refuse(choir, file, "s", "1,025 bars: more than the 1,024", tmp_path, capsys)
