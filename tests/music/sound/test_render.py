"""Rendered audio agrees with the notes: length, onsets, drums, programs, level; for corpora, MIDI and random rolls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from songs import RATE, level, song, spectrum, true_peak

from bgmusic.files import data_dir
from bgmusic.music import Roll, Song, TrackSet, open_corpus, read_midi
from bgmusic.music.midi.song import NOTE, TEMPO, table
from bgmusic.music.sound import render, rendering
from bgmusic.music.sound.loudness import LOUDNESS, integrated_loudness
from bgmusic.music.sound.rendering import MAX_TAIL
from bgmusic.music.sound.timing import seconds_at

LPD_5 = TrackSet.load("lpd-5")
SONGS = sorted((data_dir() / "midi" / "freedoom").glob("*.mid"))


def corpus_rolls() -> list[tuple[str, Roll, float]]:
    opened = {name: open_corpus(name) for name in ("bach", "freedoom")}
    return [
        (f"{name}-{i}", corpus.roll(i), corpus.info(i).bpm)
        for name, corpus in opened.items()
        for i in range(7, 2400, 900)
    ]


ROLLS = corpus_rolls()


def check_beats(audio: np.ndarray, begins: np.ndarray, stops: np.ndarray, end: float, loud: float, rest: float) -> None:
    """Check for sound at onsets, and for silence ``rest`` seconds after all notes have ended."""
    for begin in begins[begins < end - 0.1]:
        assert level(audio, begin, begin + 0.1) > loud, begin
    edges = np.sort(np.concatenate([begins, stops]))
    for begin, stop in pairwise([*edges, end]):
        if stop - begin > rest + 0.05 and not ((begins < stop - 1e-6) & (stops > begin + 1e-6)).any():
            assert level(audio, begin + rest, stop - 0.005) < -60


@pytest.mark.slow
@pytest.mark.parametrize(("name", "roll", "bpm"), ROLLS, ids=[name for name, *_ in ROLLS])
def test_phrases_of_the_corpora(name: str, roll: Roll, bpm: float) -> None:
    audio = render(roll, bpm=bpm)
    seconds = roll.bars * roll.steps / roll.resolution * 60 / bpm
    assert audio.dtype == np.float32
    assert audio.shape[1] == 2
    assert seconds - 0.05 <= len(audio) / RATE <= seconds + MAX_TAIL
    assert np.isfinite(audio).all()
    assert true_peak(audio) < -0.5
    assert integrated_loudness(audio, RATE) == pytest.approx(LOUDNESS, abs=0.5)
    notes = roll.notes()
    step = 60 / bpm / roll.resolution
    begins, stops = notes["onset"] * step, (notes["onset"] + notes["duration"]) * step
    check_beats(audio, begins, stops, seconds, -50, 99)
    # The tail decays into silence.
    assert np.abs(audio[-1]).max() < 1e-3


@pytest.mark.parametrize("path", SONGS[::17], ids=lambda path: path.stem)
def test_midi_files(path) -> None:
    piece = read_midi(path)
    audio = render(piece, seconds=8)
    begins = seconds_at(piece, piece.notes["onset"])
    stops = seconds_at(piece, piece.notes["onset"] + piece.notes["duration"])
    end = min(8, max(stops.max(), float(seconds_at(piece, np.array([piece.end]))[0])))
    assert end - 0.05 <= len(audio) / RATE <= end + MAX_TAIL
    loud = piece.notes["velocity"] > 60  # softer notes may be masked by sounding ones
    check_beats(audio, begins[loud], stops[loud], end, -50, 99)
    assert true_peak(audio) < -0.5


def test_energy_where_notes_are_and_silence_where_none_are() -> None:
    """A dry roll of short notes and rests in every track of lpd-5, checked beat by beat."""
    rng = np.random.default_rng(3)
    for number, track in enumerate(LPD_5.tracks):
        lit = rng.random(16) < 0.3
        lit[0], lit[-3:] = True, False
        cells = np.zeros((5, 4, 16, 84), np.bool_)
        pitch = (38 if track.is_drum else 48) - LPD_5.low
        cells.reshape(5, 16, 4, 84)[number, lit, 0, pitch] = True  # the first quarter of a beat of a second
        audio = render(Roll(LPD_5, 4, cells), bpm=60, reverb=0)
        for beat in range(16):
            heard = level(audio, beat, beat + 0.25)
            before = lit[max(beat - 2, 0) : beat + 1].any()
            if lit[beat]:
                assert heard > -40, (track.name, beat)
            elif not before:  # longer ago than any release of these sounds
                assert heard < -70, (track.name, beat)
        assert len(audio) / RATE == pytest.approx(16, abs=0.05)  # the last beats rest: no tail


def test_notes_begin_on_time_through_changes_of_tempo() -> None:
    notes = [(beat, 0.25, 37, 110) for beat in range(24)]  # side stick
    clicks = song(*notes, drums=True)
    clicks = Song(480, clicks.notes, table(TEMPO, [(0, 90.0), (8 * 480, 150.0), (16 * 480, 60.0)]))
    wanted = [60 / 90 * b for b in range(8)] + [16 / 3 + 0.4 * b for b in range(8)]
    wanted += [16 / 3 + 3.2 + b for b in range(8)]
    for rate in (16_000, 44_100):
        heard = np.abs(render(clicks, rate, reverb=0)).max(axis=1)
        for moment in wanted:
            near = heard[max(round((moment - 0.02) * rate), 0) : round((moment + 0.1) * rate)]
            first = int((near > 0.1 * near.max()).argmax()) / rate - min(moment, 0.02)
            assert 0 <= first < 0.005
        assert len(heard) / rate < wanted[-1] + 1.5


def test_drums_are_drums() -> None:
    """A snare has a flat spectrum, a hi-hat no partials, a kick is low and short."""

    def hit(pitch: int, drums: bool) -> np.ndarray:
        return render(song((0, 2, pitch), drums=drums), reverb=0)[: 2 * RATE]

    def on_partials(audio: np.ndarray, pitch: int) -> float:
        frequency, power = spectrum(audio)
        heard = (frequency > 40) & (frequency < 5000)
        ratio = frequency / (440 * 2 ** ((pitch - 69) / 12))
        near = np.abs(ratio - np.rint(ratio)) * 440 * 2 ** ((pitch - 69) / 12) < 4
        return float(power[heard & near].sum() / power[heard].sum())

    def flatness(audio: np.ndarray) -> float:
        frequency, power = spectrum(audio)
        bands = [power[(frequency >= low) & (frequency < 2 * low)].sum() + 1e-12 for low in 50 * 2.0 ** np.arange(8)]
        return float(np.exp(np.mean(np.log(bands))) / np.mean(bands))

    piano, kick, snare, hat = hit(36, False), hit(36, True), hit(38, True), hit(42, True)
    assert on_partials(piano, 36) > 0.9
    assert on_partials(snare, 38) < 0.3
    assert on_partials(hat, 42) < 0.3
    assert flatness(snare) > 3 * flatness(piano)
    frequency, power = spectrum(kick)
    assert power[frequency < 120].sum() > 0.8 * power.sum()
    assert level(kick, 1.0, 1.5) < level(kick, 0, 0.3) - 40
    assert level(piano, 1.0, 1.5) > level(piano, 0, 0.3) - 20


def test_programs_are_respected() -> None:
    def features(program: int) -> tuple[float, float]:
        audio = render(song((0, 2, 48), program=program), reverb=0)
        frequency, power = spectrum(audio[: 2 * RATE])
        return float((frequency * power).sum() / power.sum()), level(audio, 1.5, 1.9) - level(audio, 0.05, 0.25)

    found = {name: features(program) for name, program in (("piano", 0), ("organ", 16), ("bass", 33), ("strings", 48))}
    sounds = list(found.values())
    assert all(abs(a[0] - b[0]) > 10 or abs(a[1] - b[1]) > 3 for i, a in enumerate(sounds) for b in sounds[:i])
    assert found["piano"][1] < -5  # dies away
    assert found["bass"][1] < -5
    assert found["organ"][1] > -3  # is held
    assert found["strings"][1] > -3


@pytest.mark.slow
def test_sparse_and_dense_phrases_are_as_loud() -> None:
    rng = np.random.default_rng(0)
    found = []
    for density in (0.0005, 0.01, 0.2):
        cells = rng.random((5, 2, 16, 84)) < density
        cells[1, 0, 0, 40] = True
        audio = render(Roll(LPD_5, 4, cells), bpm=180)
        assert true_peak(audio) < -0.5
        found.append(integrated_loudness(audio, RATE))
    solo = render(song(*[(beat, 0.2, 36) for beat in range(4)], drums=True, bpm=120))
    found.append(integrated_loudness(solo, RATE))
    assert max(found) - min(found) < 1.0, found


@pytest.mark.slow
@pytest.mark.parametrize("density", [0.0, 0.001, 0.3, 0.9])
@pytest.mark.parametrize("resolution", [1, 12])
def test_random_rolls_are_finite_and_never_clipped(density: float, resolution: int) -> None:
    rng = np.random.default_rng(resolution)
    shape = (5, 1, 4 * resolution, 84)
    roll = Roll(LPD_5, resolution, rng.random(shape) < density, rng.random(shape) < density / 2)
    audio = render(roll, 16_000, bpm=240)
    assert np.isfinite(audio).all()
    assert np.abs(audio).max(initial=0) <= 10 ** (-1 / 20) + 1e-5
    assert len(audio) >= 16_000
    assert audio.any() == bool(roll.cells.any() or roll.onsets.any())


def test_one_channel_is_as_loud_as_two() -> None:
    roll = open_corpus("freedoom").roll(7)
    mono, stereo = (render(roll, 22_050, channels=channels) for channels in (1, 2))
    assert mono.shape == (mono.shape[0], 1)
    for audio in (mono, stereo):
        assert integrated_loudness(audio, 22_050) == pytest.approx(LOUDNESS, abs=0.1)


def test_silence_stays_silence() -> None:
    audio = render(Roll(LPD_5, 4, np.zeros((5, 2, 16, 84), np.bool_)), bpm=120)
    assert audio.shape == (4 * RATE, 2)
    assert not audio.any()
    assert render(Song(480, table(NOTE))).shape == (0, 2)


def test_the_same_input_gives_the_same_samples() -> None:
    roll = open_corpus("bach").roll(1200)
    assert render(roll, 22_050).tobytes() == render(roll, 22_050).tobytes()


def test_notes_of_one_region_and_key_are_synthesized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes of one region and key share their waveform, which makes rendering fast."""
    made = []
    original = rendering.make_wave
    monkeypatch.setattr(rendering, "make_wave", lambda *args: made.append(args[:2]) or original(*args))
    render(song(*[(beat, 1, 60 + beat % 3) for beat in range(30)], program=73, bpm=600))
    assert len(made) == len({(id(region), key) for region, key in made}) < 10
