"""From presets to regions: which stretch of which sample sounds for a key and velocity, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.sound.soundfont import Rows, SoundfontFile

DRUM_BANK = 128
_MOST_REGIONS = 4096  # of a preset; those of General MIDI have some dozens
_MOST_LAYERS = 16  # regions that one note plays

# Section 8.1.2 of the specification: number, default, lowest and highest of the generators that are played.
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
# What only an instrument may say: a preset's own amounts are ignored.
_NOT_ADDED = {_GENERATORS[name][0] for name in ("key", "velocity", "loop_mode", "exclusive_class", "root")} | {
    *(_GENERATORS[name][0] for name in ("start_offset", "end_offset", "loop_start_offset", "loop_end_offset")),
    *(_GENERATORS[name][0] for name in ("start_coarse", "end_coarse", "loop_start_coarse", "loop_end_coarse")),
}

Zone = dict[int, int]  # amounts by generator
Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Region:
    """A stretch of a sample, and how it sounds: generators by name, in the specification's units, within its bounds.

    ``keys`` and ``velocities`` are the lowest and highest that it plays. ``pcm`` is int16; a loop goes from
    ``loop[0]`` to before ``loop[1]``, counted from the stretch's beginning, and is None where nothing loops.
    ``rate`` is the sample's in Hz, ``root`` the key at which it sounds as recorded, but for ``correction`` cents.
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
        """The first ``count`` points as floats from -1 to 1, or all there are, of a loop to its end.

        Around them is what an interpolation reads: one before, three after.
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
    """The sounds of a SoundFont file: regions by bank, program, key and velocity.

    Raises:
        UserError: it is no SoundFont 2, or a damaged one.
        OSError: the file can't be read.

    """

    def __init__(self, path: str | Path) -> None:
        self._file = SoundfontFile(path)
        rows = self._file.presets[["bank", "program"]].tolist()
        self._presets = {key: number for number, key in reversed(list(enumerate(rows)))}
        if not self._presets:
            raise self._file.refusal("no presets")
        pitched = [number for (bank, _), number in self._presets.items() if bank != DRUM_BANK]
        self._first = self._presets.get((0, 0), min(pitched, default=None))
        self._regions: dict[int, list[Region]] = {}

    def regions(self, program: int, is_drum: bool, key: int, velocity: int) -> list[Region]:
        """What sounds for a note: nothing where the SoundFont has no such key, or no drums at all.

        Where it lacks the program, its first stands in, as in other synthesisers.
        """
        number = self._preset(program, is_drum)
        if number is None:
            return []
        if number not in self._regions:
            self._regions[number] = self._build(number)
        found = [
            region
            for region in self._regions[number]
            if region.keys[0] <= key <= region.keys[1] and region.velocities[0] <= velocity <= region.velocities[1]
        ]
        return found[:_MOST_LAYERS]

    def _preset(self, program: int, is_drum: bool) -> int | None:
        if is_drum:
            return self._presets.get((DRUM_BANK, program), self._presets.get((DRUM_BANK, 0)))
        return self._presets.get((0, program), self._first)

    def _build(self, number: int) -> list[Region]:
        """The regions of a preset: every zone of it with every zone of its instrument."""
        regions: list[Region] = []
        tried, instruments = 0, dict[int, list[Zone]]()
        for zone in _zones(self._file.preset_zones[number], _INSTRUMENT):
            instrument = zone.pop(_INSTRUMENT)
            if not 0 <= instrument < len(self._file.instruments):
                raise self._file.refusal(f"it has no instrument {instrument}")
            if instrument not in instruments:
                instruments[instrument] = _zones(self._file.instrument_zones[instrument], _SAMPLE)
            inner_zones = instruments[instrument]
            tried += len(inner_zones)  # whether they become regions or not, they take their time
            if tried > _MOST_REGIONS:
                raise self._file.refusal(f"a preset of more than {_MOST_REGIONS} regions")
            regions += filter(None, (self._region(zone, inner) for inner in inner_zones))
        return regions

    def _region(self, outer: Zone, inner: Zone) -> Region | None:
        """The region of a preset's and an instrument's zone; None where they share no note, or nothing would sound."""
        keys, velocities = (_common(_span(outer.get(kind)), _span(inner.get(kind))) for kind in _RANGES)
        if keys is None or velocities is None:
            return None
        values = {}
        for name, (kind, default, low, high) in _GENERATORS.items():
            added = 0 if kind in _NOT_ADDED else outer.get(kind, 0)
            values[name] = min(max(inner.get(kind, default) + added, low), high)
        number = inner[_SAMPLE]
        if not 0 <= number < len(self._file.samples):
            raise self._file.refusal(f"it has no sample {number}")
        sample = self._file.samples[number]
        if sample["type"] & 0x8000:
            return None  # in a synthesiser's ROM, which nobody has
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
    """The key of a sample; what is none stands for middle C (SoundFont 2.04, section 7.10)."""
    return key if key <= 127 else 60


def _zones(zones: Sequence[Rows], leads_to: int) -> list[Zone]:
    """The zones that lead to an instrument or sample, with what the first says for all of them where it does not."""
    everywhere: Zone = {}
    found = []
    for number, rows in enumerate(zones):
        zone = dict(zip(rows["kind"].tolist(), rows["amount"].tolist(), strict=True))
        if leads_to in zone:
            zone[leads_to] &= 0xFFFF  # an index, where other amounts have a sign
            found.append(everywhere | zone)
        elif number == 0:
            everywhere = zone
    return found


def _span(amount: int | None) -> Span:
    """Lowest and highest, which an amount holds as its two bytes."""
    return (0, 127) if amount is None else (amount & 0xFF, amount >> 8 & 0xFF)


def _common(one: Span, other: Span) -> Span | None:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None
