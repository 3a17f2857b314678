"""Write small SoundFont files for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

RATE = 44_100
START_LOOP, PAN, CUTOFF, RESONANCE, ATTACK, DECAY, SUSTAIN, RELEASE = 2, 17, 8, 9, 34, 36, 37, 38
KEYS, VELOCITIES, ATTENUATION, LOOP_MODE, EXCLUSIVE, ROOT, INSTRUMENT, SAMPLE = 43, 44, 48, 54, 57, 58, 41, 53

Generators = Sequence[tuple[int, int]]


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def timecents(seconds: float) -> int:
    return round(1200 * np.log2(seconds))


def sine(frequency: float = 441.0, periods: int = 50, level: float = 0.5) -> np.ndarray:
    """Return whole periods of a sine, int16, which loop without a discontinuity."""
    count = round(periods * RATE / frequency)
    return np.rint(level * 32767 * np.sin(2 * np.pi * periods * np.arange(count) / count)).astype("<i2")


def soundfont(
    pcm: np.ndarray,
    *zones: Generators,
    presets: Sequence[tuple[int, int]] = ((0, 0),),
    outer: Generators = (),
    root: int = 60,
) -> bytes:
    """Return a SoundFont of one sample, one instrument with these zones, and presets (bank, program) that play it."""
    generators = [pair for zone in zones for pair in [*zone, (SAMPLE, 0)]]
    bags = np.cumsum([0] + [len(zone) + 1 for zone in zones])
    wrapped = [pair for _ in presets for pair in [*outer, (INSTRUMENT, 0)]]

    def rows(pairs: Generators) -> bytes:
        return b"".join(struct.pack("<HH", kind, amount & 0xFFFF) for kind, amount in [*pairs, (0, 0)])

    headers = [(f"p{i}", program, bank, i) for i, (bank, program) in enumerate(presets)]
    headers.append(("EOP", 0, 0, len(presets)))
    phdr = b"".join(struct.pack("<20sHHHIII", n.encode(), p, b, i, 0, 0, 0) for n, p, b, i in headers)
    pbag = b"".join(struct.pack("<HH", i * (len(outer) + 1), 0) for i in range(len(presets) + 1))
    inst = struct.pack("<20sH", b"one", 0) + struct.pack("<20sH", b"EOI", len(zones))
    ibag = b"".join(struct.pack("<HH", int(bag), 0) for bag in bags)
    sample = struct.pack("<20sIIIIIBbHH", b"s", 0, len(pcm), 0, len(pcm), RATE, root, 0, 0, 1)
    shdr = sample + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    nothing = b"\0" * 10
    tables = (
        *((b"phdr", phdr), (b"pbag", pbag), (b"pmod", nothing), (b"pgen", rows(wrapped)), (b"inst", inst)),
        *((b"ibag", ibag), (b"imod", nothing), (b"igen", rows(generators)), (b"shdr", shdr)),
    )
    info = chunk(b"LIST", b"INFO" + chunk(b"ifil", struct.pack("<HH", 2, 1)))
    samples = chunk(b"LIST", b"sdta" + chunk(b"smpl", pcm.astype("<i2").tobytes() + b"\0" * 92))
    hydra = chunk(b"LIST", b"pdta" + b"".join(chunk(*table) for table in tables))
    return chunk(b"RIFF", b"sfbk" + info + samples + hydra)
