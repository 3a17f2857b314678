"""The synthesizer against the SoundFont specification, on hand-made SoundFonts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from songs import RATE, level, song, spectrum
from soundfont_maker import (
    ATTACK,
    ATTENUATION,
    CUTOFF,
    DECAY,
    EXCLUSIVE,
    KEYS,
    LOOP_MODE,
    PAN,
    RELEASE,
    RESONANCE,
    SUSTAIN,
    VELOCITIES,
    sine,
    soundfont,
    timecents,
)

from bgmusic.music.sound import render

LOOPED = (LOOP_MODE, 1)
FIXED_KEY = 46


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Render notes with a SoundFont of these zones, without reverb and normalization."""

    def play(*notes: tuple, zones: Any = ([LOOPED],), pcm: np.ndarray | None = None, rate: int = RATE, **more: Any):
        options = {name: more.pop(name) for name in ("presets", "outer", "root") if name in more}
        path = tmp_path / "hand.sf2"
        path.write_bytes(soundfont(sine() if pcm is None else pcm, *zones, **options))
        return render(song(*notes, **more), rate, path, reverb=0, loudness=None)

    return play


def loudest(audio: np.ndarray, rate: int = RATE) -> float:
    """Return the frequency of the strongest partial in Hz (parabolic interpolation of the spectrum)."""
    frequency, power = spectrum(audio, rate)
    top = int(power.argmax())
    left, middle, right = np.log(power[top - 1 : top + 2])
    return (top + 0.5 * (left - right) / (left - 2 * middle + right)) * frequency[1]


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("key", [48, 60, 67, 79])
def test_keys_have_their_pitch_at_every_rate(play: Any, key: int, rate: int) -> None:
    audio = play((0, 2, key), rate=rate)
    assert loudest(audio[: 2 * rate], rate) == pytest.approx(441 * 2 ** ((key - 60) / 12), rel=1e-4)


def test_a_looped_sine_stays_a_sine(play: Any) -> None:
    """Errors of interpolation, loop and filter are 60 dB lower."""
    frequency, power = spectrum(play((0, 3, 67))[RATE : 2 * RATE])
    near = np.abs(frequency - 441 * 2 ** (7 / 12)) < 10
    assert power[~near].sum() < 1e-6 * power[near].sum()


def test_the_level_follows_velocity_attenuation_and_pan(play: Any) -> None:
    full = play((0, 1, 60, 127))
    assert level(full, 0.1, 0.9) == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.05)
    # Velocity by 40 log10; attenuation scaled by 0.4, as in other synthesizers.
    assert level(play((0, 1, 60, 64)), 0.1, 0.9) - level(full, 0.1, 0.9) == pytest.approx(-11.9, abs=0.05)
    weaker = play((0, 1, 60, 127), zones=[[LOOPED, (ATTENUATION, 200)]])
    assert level(weaker, 0.1, 0.9) - level(full, 0.1, 0.9) == pytest.approx(-8, abs=0.05)
    left = play((0, 1, 60, 127), zones=[[LOOPED, (PAN, -500)]])
    assert np.abs(left[:, 1]).max() < 1e-6
    assert level(left[:, :1], 0.1, 0.9) - level(full[:, :1], 0.1, 0.9) == pytest.approx(3.01, abs=0.05)


def test_the_envelope_attacks_decays_and_releases_as_specified(play: Any) -> None:
    times = [(ATTACK, timecents(0.5)), (DECAY, timecents(2)), (SUSTAIN, 300), (RELEASE, timecents(1))]
    audio = play((0, 3, 60, 127), zones=[[LOOPED, *times]])
    top = 20 * math.log10(0.5 / math.sqrt(2))
    # Half the level in the middle of the attack; 50 dB a second to 30 dB below; 100 dB a second after the end.
    assert level(audio, 0.24, 0.26) == pytest.approx(top - 6.02, abs=0.2)
    assert level(audio, 0.79, 0.81) == pytest.approx(top - 15, abs=0.2)
    assert level(audio, 1.5, 2.9) == pytest.approx(top - 30, abs=0.05)
    assert level(audio, 3.19, 3.21) == pytest.approx(top - 50, abs=0.2)
    assert len(audio) / RATE == pytest.approx(3 + 0.36, abs=0.1)  # silence is 72 dB below full scale


def test_a_sample_without_a_loop_ends(play: Any) -> None:
    audio = play((0, 5, 60), pcm=sine(periods=441), zones=[[]])
    assert level(audio, 0.9, 0.99) > -20
    assert not audio[round(1.01 * RATE) :].any()
    assert len(audio) == 5 * RATE


@pytest.mark.parametrize("resonance", [0, 120])
def test_the_filter_is_the_specified_low_pass(play: Any, resonance: int) -> None:
    noise = np.random.default_rng(0).integers(-8000, 8000, 4 * RATE)
    cents = 7200 + 25  # 8.176 Hz * 2^6: 523 Hz, in the middle of a step
    zones = [[(CUTOFF, cents), (RESONANCE, resonance)]]
    open_, shut = (play((0, 4, 60), pcm=noise, zones=z)[: 4 * RATE] for z in ([[]], zones))
    frequency, before = spectrum(open_)
    _, after = spectrum(shut)
    edge = 8.176 * 2 ** (cents / 1200)
    q = 10 ** ((resonance / 10 - 3.01) / 20)
    for octaves in (-3, -1, 0, 1, 2, 3):
        middle = edge * 2**octaves
        band = (frequency > middle * 0.97) & (frequency < middle * 1.03)
        s = 1j * 2.0**octaves
        wanted = 20 * np.log10(abs(1 / (s * s + s / q + 1))) - resonance / 20  # gain lowered by half the resonance
        found = 10 * np.log10(after[band].sum() / before[band].sum())
        assert found == pytest.approx(wanted, abs=1.0), octaves


def test_zones_are_chosen_by_key_and_velocity(play: Any) -> None:
    zones = [[LOOPED, (KEYS, 59 << 8), (PAN, -500)], [LOOPED, (KEYS, 127 << 8 | 60), (VELOCITIES, 80 << 8), (PAN, 500)]]
    audio = play((0, 1, 50), (2, 1, 70, 80), (4, 1, 70, 81), (6, 1, 50), zones=zones)
    sides = [(level(audio[:, :1], t, t + 0.9) > -60, level(audio[:, 1:], t, t + 0.9) > -60) for t in (0, 2, 4, 6)]
    assert sides == [(True, False), (False, True), (False, False), (True, False)]


def test_presets_add_to_their_instruments(play: Any) -> None:
    plain = play((0, 1, 60))
    added = play((0, 1, 60), outer=[(ATTENUATION, 100), (PAN, 500)])
    assert np.abs(added[:, 0]).max() < 1e-6
    assert level(added[:, 1:], 0.1, 0.9) - level(plain[:, 1:], 0.1, 0.9) == pytest.approx(3.01 - 4, abs=0.05)


def test_a_note_ends_earlier_ones_of_its_exclusive_class(play: Any) -> None:
    zones = [
        [LOOPED, (KEYS, 42 << 8 | 42), (EXCLUSIVE, 1), (PAN, -500)],
        [LOOPED, (KEYS, 46 << 8 | 46), (EXCLUSIVE, 1)],
    ]
    options = {"zones": zones, "presets": [(128, 0)], "drums": True, "root": 46}
    audio = play((0, 4, 46), (1, 0.1, 42), **options)
    assert level(audio[:, 1:], 0.8, 1.0) > -20
    assert level(audio[:, 1:], 1.05, 2.0) < -100
    alone = play((0, 4, 46), **options)
    assert level(alone[:, 1:], 1.05, 2.0) > -20


def test_drums_play_the_drum_bank_and_other_programs_do_not(play: Any) -> None:
    only_drums, only_piano = {"presets": [(128, 0)]}, {"presets": [(0, 0)]}
    assert level(play((0, 1, 60), drums=True, program=7, **only_drums), 0, 1) > -20
    assert not play((0, 1, 60), drums=True, **only_piano).any()
    assert not play((0, 1, 60), **only_drums).any()
    assert level(play((0, 1, 60), program=99, **only_piano), 0, 1) > -20  # the first program replaces a missing one


def test_above_the_polyphony_the_voice_that_ends_first_is_cut(play: Any) -> None:
    audio = play(*[(0, 4, 36 + i % 60) for i in range(300)], (2, 1, 100, 127))
    frequency, power = spectrum(audio[round(2.1 * RATE) : round(2.9 * RATE)])
    new = 441 * 2 ** (40 / 12)
    assert power[np.abs(frequency - new) < 20].sum() > 1000 * power[np.abs(frequency - 1.1 * new) < 20].sum()
    # Of 300 notes, five per key, the last 128 remain, and one of them is cut.
    lit = [power[np.abs(frequency - 441 * 2 ** ((key - 60) / 12)) < 3].max() for key in range(36, 96)]
    assert min(lit[-25:]) > 1e-3 * max(lit)
    assert max(lit[:30]) < 1e-5 * max(lit)


def test_a_fixed_key_gives_the_same_sound_at_any_key(play: Any) -> None:
    pcm = sine(periods=400)
    one, other = (play((0, 3, key), zones=([(FIXED_KEY, 60)],), pcm=pcm) for key in (60, 96))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_root_key_out_of_range_is_middle_c(play: Any) -> None:
    np.testing.assert_allclose(play((0, 1, 72), root=255), play((0, 1, 72), root=60), atol=1e-6)
