"""Synthesize the waveform of a region at a key: resampling, volume envelope, modulation and filter.

It follows the SoundFont specification 2.04, sections 8 and 9, with three simplifications: velocity changes the level
only, the modulation envelope has no release, and loops of mode 3 continue in the release.

The synthesizer is ours because pip offers none that does as well: FluidSynth needs a system package (it is used where
installed), and pretty_midi without FluidSynth plays sine waves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.sound.filter import lowpass
from bgmusic.music.sound.presets import Region, Span

Wave = NDArray[np.float32]

SILENT = 80.0  # dB below the initial level, where a sound ends
LONGEST = 60.0  # seconds of one note
LONGEST_RELEASE = 4.0  # seconds after the end of a note
_FULL_SCALE = 100.0  # dB: the fall to which decay and release times refer
_SHORTEST_RELEASE = 0.01  # seconds, against clicks
_ATTENUATION = 0.4  # scale of the attenuation generator: the EMU8000's, which other synthesizers copy
_OPEN = 13490  # cents: a cutoff above needs no filter
_BLOCK = 1 << 15  # samples per step, to stay in the cache
_CONTROL = 64  # samples per value of a modulation (control period)
_MAX_RATIO = 64.0

_TO_PITCH = ("mod_env_to_pitch", "mod_lfo_to_pitch", "vib_lfo_to_pitch")


def gain_of(region: Region, velocity: int) -> float:
    """Return the amplitude of a region at a velocity (1 to 127)."""
    velocity = region["velocity"] if region["velocity"] > 0 else velocity
    return (velocity / 127) ** 2 * _amplitude(_ATTENUATION * region["attenuation"] / 10)


def pan_of(region: Region) -> tuple[float, float]:
    """Return the gains of the left and right channel (equal-power panning)."""
    angle = (region["pan"] / 1000 + 0.5) * math.pi / 2
    return math.cos(angle) * math.sqrt(2), math.sin(angle) * math.sqrt(2)


def length_of(region: Region, key: int, held: float, rate: int) -> int:
    """Return an upper bound of the length in samples of a note that is held for ``held`` seconds, with its release."""
    longest = min(held, LONGEST) + release_of(region)
    key = region["key"] if region["key"] >= 0 else key
    if region.loop is None and not any(region[name] for name in _TO_PITCH):
        longest = min(longest, len(region.pcm) / _ratio(region, key, rate) / rate)
    return max(1, int(longest * rate))


def release_of(region: Region) -> float:
    """Return the seconds for which a region sounds after the end of a note."""
    return min(max(_seconds(region["release"]), _SHORTEST_RELEASE) * SILENT / _FULL_SCALE, LONGEST_RELEASE)


def release_curve(region: Region, count: int, rate: int) -> Wave:
    """Return the decay of a region after the end of a note as ``count`` factors, float32."""
    seconds = release_of(region)
    curve = np.exp(np.arange(count, dtype=np.float32) * np.float32(-SILENT / 20 * math.log(10) / seconds / rate))
    return np.asarray(curve, np.float32)


def make_wave(region: Region, key: int, count: int, rate: int) -> Wave:
    """Synthesize a note that is held for ``count`` samples, at full level and without its release.

    Args:
        region: region that plays.
        key: MIDI key.
        count: number of samples.
        rate: sampling rate in Hz.

    Returns:
        float32 ``(samples,)``: at most ``count``; fewer if the sample ends or the sound decays before.

    """
    key = region["key"] if region["key"] >= 0 else key
    count = min(count, _max_held(region, key, rate))
    modulation = _modulation(region, key, count, rate)
    positions = _positions(region, key, modulation, rate)
    highest = positions if isinstance(positions, float) else float(positions.max(initial=0))
    sample = region.wave(math.ceil(highest * count) + 1)
    wave = np.empty(count, np.float32)
    position = 0.0
    last = len(region.pcm) - 1
    for begin in range(0, count, _BLOCK):
        end = min(begin + _BLOCK, count)
        if isinstance(positions, float):
            block: NDArray[np.float64] = positions * np.arange(begin, end, dtype=np.float64)
        else:
            # The ratio is constant during a control period; its running sum is the position in the sample.
            steps = np.repeat(positions[begin // _CONTROL : -(-end // _CONTROL)], _CONTROL)[: end - begin]
            block = position + np.cumsum(steps)
            position = float(block[-1])
        if region.loop is None and block[-1] > last:
            count = begin + int(np.searchsorted(block, last))
            wave[begin:count] = _interpolate(sample, region.loop, block[: count - begin])
            break
        wave[begin:end] = _interpolate(sample, region.loop, block)
    wave = wave[:count]
    cutoff = (
        region["cutoff"] + region["mod_env_to_cutoff"] * modulation[0] + region["mod_lfo_to_cutoff"] * modulation[1]
    )
    if cutoff.min(initial=_OPEN) < _OPEN:
        wave = lowpass(wave, cutoff, _CONTROL, region["resonance"] / 10, rate)
    wave *= _envelope(region, key, count, rate)
    if region["mod_lfo_to_volume"]:
        level = np.exp(modulation[1] * (region["mod_lfo_to_volume"] / 200 * math.log(10)))
        wave *= np.repeat(level, _CONTROL)[:count].astype(np.float32)
    return wave


def _interpolate(sample: Wave, loop: Span | None, places: NDArray[np.float64]) -> Wave:
    """Interpolate the padded sample of ``Region.wave`` at fractional positions by Catmull-Rom splines."""
    if loop is not None:
        begin, end = loop[0] + 1, loop[1] + 1  # one later: the sample before the position is read too
        if places[-1] >= end:
            places = np.where(places < end, places, (places - begin) % (end - begin) + begin)
    index = places.astype(np.int64)
    t = (places - index).astype(np.float32)
    before, here, after, beyond = (sample[index + shift] for shift in range(4))
    slope = 0.5 * (after - before)
    curve = before - 2.5 * here + 2 * after - 0.5 * beyond
    bend = 0.5 * (beyond - before) + 1.5 * (here - after)
    return np.asarray(((bend * t + curve) * t + slope) * t + here, np.float32)


def _ratio(region: Region, key: int, rate: int) -> float:
    """Return the resampling ratio: input samples per output sample."""
    cents = (key - region.root) * region["scale_tuning"] + 100 * region["coarse_tune"] + region["fine_tune"]
    return min(2 ** ((cents + region.correction) / 1200) * region.rate / rate, _MAX_RATIO)


def _positions(
    region: Region, key: int, modulation: tuple[NDArray[np.float64], ...], rate: int
) -> float | NDArray[np.float64]:
    """Return the resampling ratio: one number, or one per control period if the pitch is modulated."""
    ratio = _ratio(region, key, rate)
    depths = [region[name] for name in _TO_PITCH]
    if not any(depths):
        return ratio
    cents = sum(depth * curve for depth, curve in zip(depths, modulation, strict=True))
    return np.minimum(ratio * 2 ** (cents / 1200), _MAX_RATIO)


def _modulation(region: Region, key: int, count: int, rate: int) -> tuple[NDArray[np.float64], ...]:
    """Return modulation envelope (0 to 1), modulation LFO and vibrato LFO (-1 to 1), one value per control period."""
    time = np.arange(-(-count // _CONTROL)) * (_CONTROL / rate)
    delay, attack, hold, decay = _stages(region, "mod_", key)
    sustain = 1 - region["mod_sustain"] / 1000
    points = np.cumsum([0, delay, attack, hold, decay * (1 - sustain)])
    envelope = np.interp(time, points, [0, 0, 1, 1, sustain])

    def lfo(name: str) -> NDArray[np.float64]:
        phase = (time - _seconds(region[f"{name}_delay"])) * (8.176 * 2 ** (region[f"{name}_frequency"] / 1200))
        return np.where(phase < 0, 0, 4 * np.abs((phase - 0.25) % 1 - 0.5) - 1)

    return envelope, lfo("mod_lfo"), lfo("vib_lfo")


def _stages(region: Region, prefix: str, key: int) -> tuple[float, float, float, float]:
    """Return the seconds of delay, attack, hold and full decay of an envelope at a key."""
    below_c4 = 60 - key
    return (
        _seconds(region[f"{prefix}delay"]),
        _seconds(region[f"{prefix}attack"]),
        _seconds(region[f"{prefix}hold"] + below_c4 * region[f"{prefix}key_to_hold"]),
        _seconds(region[f"{prefix}decay"] + below_c4 * region[f"{prefix}key_to_decay"]),
    )


def _max_held(region: Region, key: int, rate: int) -> int:
    """Return the number of samples for which a held note is audible."""
    sustain = region["sustain"] / 10
    if sustain < SILENT:
        return int(LONGEST * rate) + int(LONGEST_RELEASE * rate)
    delay, attack, hold, decay = _stages(region, "", key)
    return max(1, int((delay + attack + hold + decay * SILENT / _FULL_SCALE) * rate))


def _envelope(region: Region, key: int, count: int, rate: int) -> Wave:
    """Return the volume envelope of a held note: linear attack, hold, decay that is linear in dB, sustain."""
    delay, attack, hold, decay = _stages(region, "", key)
    begin, peak = round(delay * rate), round((delay + attack) * rate)
    falls = round((delay + attack + hold) * rate)
    sustain = region["sustain"] / 10
    settled = falls + round(decay * rate * sustain / _FULL_SCALE)
    level = np.ones(count, np.float32)
    level[:begin] = 0
    ramp = level[begin:peak]
    ramp *= np.arange(len(ramp), dtype=np.float32) / max(peak - begin, 1)
    fall = level[falls:settled]
    fall *= np.exp(np.arange(len(fall), dtype=np.float32) * np.float32(-_FULL_SCALE / 20 * math.log(10) / decay / rate))
    level[settled:] *= _amplitude(sustain)
    return level


def _seconds(timecents: float) -> float:
    return float(2 ** (min(max(timecents, -12000), 8000) / 1200))


def _amplitude(decibels: float) -> float:
    return float(10 ** (-decibels / 20))
