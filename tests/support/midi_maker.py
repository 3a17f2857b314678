"""Make MIDI files byte by byte, and damage them."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence

END = (0, b"\xff\x2f\0")


def number(value: int) -> bytes:
    """Return a variable-length number."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def track(events: Sequence[tuple[int, bytes]], end: bool = True) -> bytes:
    """Return a track chunk of (delta time, bytes of the event)."""
    body = b"".join(number(delta) + content for delta, content in [*events, *([END] if end else [])])
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*tracks: bytes, kind: int = 1, division: int = 480) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks), division) + b"".join(tracks)


def on(pitch: int, channel: int = 0, velocity: int = 64) -> bytes:
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch: int, channel: int = 0) -> bytes:
    return bytes([0x80 | channel, pitch, 0])


def meta(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + number(len(content)) + content


def tempo(bpm: float) -> bytes:
    return meta(0x51, round(60e6 / bpm).to_bytes(3, "big"))


def time_signature(numerator: int, power: int) -> bytes:
    """Return a time signature with the denominator 2 ** power."""
    return meta(0x58, bytes([numerator, power, 24, 8]))


def key(fifths: int, minor: int) -> bytes:
    return meta(0x59, bytes([fifths & 0xFF, minor]))


def program(value: int, channel: int = 0) -> bytes:
    return bytes([0xC0 | channel, value])


def control(controller: int, value: int, channel: int = 0) -> bytes:
    return bytes([0xB0 | channel, controller, value])


def mutants(originals: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield files with bytes flipped, cut off, spliced, repeated, or overwritten by harmful values."""
    rng = random.Random(seed)
    worst = (
        b"\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"MTrk",
        b"MThd",
        b"\xff\x2f\0",
        b"\xf0",
        b"\x80\0",
    )
    for _ in range(count):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            at = rng.randrange(len(data) + 1)
            kind = rng.randrange(6)
            if kind == 0 and data:
                data[at - 1] ^= 1 << rng.randrange(8)
            elif kind == 1 and data:
                data[at - 1] = rng.randrange(256)
            elif kind == 2:
                del data[at:]
            elif kind == 3:
                other = rng.choice(originals)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start : start + rng.randrange(1 << 16)]
            elif kind == 4:
                data[at:at] = data[at : at + rng.randrange(4096)]
            else:
                what = rng.choice(worst)
                data[at : at + len(what)] = what
        yield bytes(data)
