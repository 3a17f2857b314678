"""Resolve SoundFont presets to regions: the samples, and their parameters, that play for a key and a velocity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.sound.soundfont import Rows, SoundfontFile

DRUM_BANK = 128
_MAX_REGIONS = 4096  # of a preset; General MIDI presets have a few dozen
_MAX_LAYERS = 16  # regions per note

# Generators in use, section 8.1.2 of the specification: (number, default, lowest, highest).
_GENERATORS: dict[str, tuple[int, int, int, int]] = {
    "start_offset": (0, 0, 0, 32767),
    "end_offset": (1, 0, -32768, 0),
    "loop_start_offset": (2, 0, -32768, 32767),
    "loop_end_offset": (3, 0, -32768, 32767),
    "start_coarse": (4, 0, 0, 32767),
    "mod_lfo_to_pitch": (5, 0, -12000, 12000),
    "vib_lfo_to_pitch": (6, 0, -12000, 12000),
    "mod_env_to_pitch": (7, 0, -12000, 12000),
    "cutoff": (8, 13500, 1500, 13500),
    "resonance": (9, 0, 0, 960),
    "mod_lfo_to_cutoff": (10, 0, -12000, 12000),
    "mod_env_to_cutoff": (11, 0, -12000, 12000),
    "end_coarse": (12, 0, -32768, 0),
    "mod_lfo_to_volume": (13, 0, -960, 960),
    "pan": (17, 0, -500, 500),
    "mod_lfo_delay": (21, -12000, -12000, 5000),
    "mod_lfo_frequency": (22, 0, -16000, 4500),
    "vib_lfo_delay": (23, -12000, -12000, 5000),
    "vib_lfo_frequency": (24, 0, -16000, 4500),
    "mod_delay": (25, -12000, -12000, 5000),
    "mod_attack": (26, -12000, -12000, 8000),
    "mod_hold": (27, -12000, -12000, 5000),
    "mod_decay": (28, -12000, -12000, 8000),
    "mod_sustain": (29, 0, 0, 1000),
    "mod_key_to_hold": (31, 0, -1200, 1200),
    "mod_key_to_decay": (32, 0, -1200, 1200),
    "delay": (33, -12000, -12000, 5000),
    "attack": (34, -12000, -12000, 8000),
    "hold": (35, -12000, -12000, 5000),
    "decay": (36, -12000, -12000, 8000),
    "sustain": (37, 0, 0, 1440),
    "release": (38, -12000, -12000, 8000),
    "key_to_hold": (39, 0, -1200, 1200),
    "key_to_decay": (40, 0, -1200, 1200),
    "loop_start_coarse": (45, 0, -32768, 32767),
    "key": (46, -1, -1, 127),
    "velocity": (47, -1, -1, 127),
    "attenuation": (48, 0, 0, 1440),
    "loop_end_coarse": (50, 0, -32768, 32767),
    "coarse_tune": (51, 0, -120, 120),
    "fine_tune": (52, 0, -99, 99),
    "loop_mode": (54, 0, 0, 3),
    "scale_tuning": (56, 100, 0, 1200),
    "exclusive_class": (57, 0, 0, 127),
    "root": (58, -1, -1, 127),
}
_INSTRUMENT, _SAMPLE, _KEYS, _VELOCITIES = 41, 53, 43, 44
_RANGES = (_KEYS, _VELOCITIES)
# Generators of instruments only: their amounts in presets are ignored.
_INSTRUMENT_ONLY = {_GENERATORS[name][0] for name in ("key", "velocity", "loop_mode", "exclusive_class", "root")} | {
    *(_GENERATORS[name][0] for name in ("start_offset", "end_offset", "loop_start_offset", "loop_end_offset")),
    *(_GENERATORS[name][0] for name in ("start_coarse", "end_coarse", "loop_start_coarse", "loop_end_coarse")),
}

Zone = dict[int, int]  # amounts by generator number
Span = tuple[int, int]  # lowest and highest, or begin and end


@dataclass(frozen=True, eq=False)
class Region:
    """Part of a sample with its playback parameters.

    Attributes:
        keys, velocities: lowest and highest MIDI key and velocity that the region plays.
        generators: parameters by name, in the units of the specification and clamped to its ranges.
        pcm: the samples, int16.
        loop: first sample of the loop and the one after its last, counted from the beginning of ``pcm``; None without
            a loop.
        rate: sampling rate in Hz.
        root: MIDI key at which the sample sounds at its recorded pitch.
        correction: correction of that pitch in cents.

    """

    keys: Span
    velocities: Span
    generators: dict[str, int]
    pcm: NDArray[np.int16]
    loop: Span | None
    rate: int
    root: int
    correction: int

    def __getitem__(self, generator: str) -> int:
        return self.generators[generator]

    def wave(self, count: int) -> NDArray[np.float32]:
        """Return the first ``count`` samples as float32 from -1 to 1; with a loop, all up to its end.

        One sample is added before and three after, for the interpolation.
        """
        end = min(count, len(self.pcm)) if self.loop is None else self.loop[1]
        wave = np.zeros(end + 4, np.float32)
        wave[1 : end + 1] = self.pcm[:end]
        wave /= 32768
        if self.loop is not None:
            begin = self.loop[0]
            wave[end + 1 : end + 4] = wave[begin + 1 : begin + 4]
        else:
            after = self.pcm[end : end + 3]
            wave[end + 1 : end + 1 + len(after)] = after.astype(np.float32) / 32768
        return wave


class Soundfont:
    """The regions of a SoundFont file by bank, program, key and velocity.

    Raises:
        UserError: not a SoundFont 2 file, or a damaged one.
        OSError: the file cannot be read.

    """

    def __init__(self, path: str | Path) -> None:
        self._file = SoundfontFile(path)
        rows = self._file.presets[["bank", "program"]].tolist()
        self._presets = {key: number for number, key in reversed(list(enumerate(rows)))}
        if not self._presets:
            raise self._file.error("it has no presets")
        pitched = [number for (bank, _), number in self._presets.items() if bank != DRUM_BANK]
        self._first = self._presets.get((0, 0), min(pitched, default=None))
        self._regions: dict[int, list[Region]] = {}

    def regions(self, program: int, is_drum: bool, key: int, velocity: int) -> list[Region]:
        """Return the regions that play for a note; empty if the SoundFont lacks the key, or drums.

        A missing program is replaced by the first one, as other synthesizers do.
        """
        number = self._preset(program, is_drum)
        if number is None:
            return []
        if number not in self._regions:
            self._regions[number] = self._build(number)
        result = [
            region
            for region in self._regions[number]
            if region.keys[0] <= key <= region.keys[1] and region.velocities[0] <= velocity <= region.velocities[1]
        ]
        return result[:_MAX_LAYERS]

    def _preset(self, program: int, is_drum: bool) -> int | None:
        if is_drum:
            return self._presets.get((DRUM_BANK, program), self._presets.get((DRUM_BANK, 0)))
        return self._presets.get((0, program), self._first)

    def _build(self, number: int) -> list[Region]:
        """Build the regions of a preset: each of its zones with each zone of its instrument."""
        regions: list[Region] = []
        pairs, instruments = 0, dict[int, list[Zone]]()
        for zone in _zones(self._file.preset_zones[number], _INSTRUMENT):
            instrument = zone.pop(_INSTRUMENT)
            if not 0 <= instrument < len(self._file.instruments):
                raise self._file.error(f"it has no instrument {instrument}")
            if instrument not in instruments:
                instruments[instrument] = _zones(self._file.instrument_zones[instrument], _SAMPLE)
            inner_zones = instruments[instrument]
            pairs += len(inner_zones)  # pairs without a region cost time too
            if pairs > _MAX_REGIONS:
                raise self._file.error(f"a preset has more than {_MAX_REGIONS} regions")
            regions += filter(None, (self._region(zone, inner) for inner in inner_zones))
        return regions

    def _region(self, outer: Zone, inner: Zone) -> Region | None:
        """Combine a preset's and an instrument's zone; None if they share no note or there is no sample to play."""
        keys, velocities = (_intersection(_span(outer.get(kind)), _span(inner.get(kind))) for kind in _RANGES)
        if keys is None or velocities is None:
            return None
        values = {}
        for name, (kind, default, low, high) in _GENERATORS.items():
            added = 0 if kind in _INSTRUMENT_ONLY else outer.get(kind, 0)
            values[name] = min(max(inner.get(kind, default) + added, low), high)
        number = inner[_SAMPLE]
        if not 0 <= number < len(self._file.samples):
            raise self._file.error(f"it has no sample {number}")
        sample = self._file.samples[number]
        if sample["type"] & 0x8000:
            return None  # a sample in the ROM of a hardware synthesizer
        start, end, loop_start, loop_end = (
            int(sample[field]) + values[f"{field}_offset"] + 32768 * values[f"{field}_coarse"]
            for field in ("start", "end", "loop_start", "loop_end")
        )
        start, end = max(start, 0), min(end, len(self._file.pcm))
        loops = values["loop_mode"] in (1, 3) and start <= loop_start and loop_start + 4 <= loop_end <= end
        rate = min(max(int(sample["rate"]), 400), 192_000)
        return (
            None
            if end - start < 4
            else Region(
                keys,
                velocities,
                values,
                self._file.pcm[start:end],
                (loop_start - start, loop_end - start) if loops else None,
                rate,
                values["root"] if values["root"] >= 0 else _root(int(sample["root"])),
                int(sample["correction"]),
            )
        )


def _root(key: int) -> int:
    """Return the root key of a sample; out of range it is middle C (SoundFont 2.04, section 7.10)."""
    return key if key <= 127 else 60


def _zones(zones: Sequence[Rows], leads_to: int) -> list[Zone]:
    """Return the zones that lead to an instrument or sample.

    If the first zone does not, it is the global zone: its generators are defaults for the others.
    """
    global_zone: Zone = {}
    result = []
    for number, rows in enumerate(zones):
        zone = dict(zip(rows["kind"].tolist(), rows["amount"].tolist(), strict=True))
        if leads_to in zone:
            zone[leads_to] &= 0xFFFF  # an index is unsigned, other amounts are signed
            result.append(global_zone | zone)
        elif number == 0:
            global_zone = zone
    return result


def _span(amount: int | None) -> Span:
    """Return the lowest and highest value of a range, the two bytes of an amount; the full range by default."""
    return (0, 127) if amount is None else (amount & 0xFF, amount >> 8 & 0xFF)


def _intersection(one: Span, other: Span) -> Span | None:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None
