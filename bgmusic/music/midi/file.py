"""Find the header and the track chunks of a MIDI file, inside wrappers and despite damage.

Format: "Standard MIDI Files 1.0" (RP-001).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from bgmusic.errors import UserError

# A million notes at 8 bytes each; larger files are not music.
MAX_BYTES = 8 << 20
MAX_TRACKS = 1024
_COMPOSITE = 120
_GZIP = b"\x1f\x8b"


class MidiError(UserError):
    """The data is not a MIDI file with notes; the text is the reason."""


@dataclass(frozen=True)
class MidiFile:
    """A MIDI file, split into tracks.

    Attributes:
        data: the file's bytes, unwrapped.
        format: 0, 1 or 2.
        ticks_per_beat: ticks per quarter note, or None for SMPTE time.
        ticks_per_second: for SMPTE time, else 0.
        tracks: (start, stop) of the events of each track, as offsets into ``data``.
        repairs: what was wrong with the file and how it was repaired.

    """

    data: bytes
    format: int
    ticks_per_beat: int | None
    ticks_per_second: float
    tracks: tuple[tuple[int, int], ...]
    repairs: tuple[str, ...]


def load(source: bytes | str | Path) -> bytes:
    """Return the content of a file, at most ``MAX_BYTES + 1`` bytes.

    Raises:
        OSError: the file cannot be read.

    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    with Path(source).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def open_midi(data: bytes) -> MidiFile:
    """Find the header and the tracks of a MIDI file.

    Args:
        data: the file's content; plain, gzip'd, or in a RIFF wrapper.

    Raises:
        MidiError: there is no readable header or no track; the text is the reason.

    """
    repairs: list[str] = []
    if data[:2] == _GZIP:
        data = _gunzip(data, repairs)
    if not data:
        raise MidiError("empty")
    if len(data) > MAX_BYTES:
        raise MidiError(f"more than {MAX_BYTES >> 20} MiB")
    start = _find_header(data, repairs)
    length = int.from_bytes(data[start + 4 : start + 8], "big")
    fields = data[start + 8 : start + 14]
    if len(fields) < 6:
        raise MidiError("the header is cut off")
    kind, count, division = (int.from_bytes(fields[i : i + 2], "big") for i in (0, 2, 4))
    if kind > 2:
        repairs.append(f"format {kind} read as 1")
        kind = 1
    ticks_per_beat, ticks_per_second = _time_base(division, repairs)
    tracks = _tracks(data, start + 8, length, repairs)
    if len(tracks) != count:
        repairs.append(f"{count} tracks announced, {len(tracks)} found")
    return MidiFile(data, kind, ticks_per_beat, ticks_per_second, tuple(tracks), tuple(repairs))


def _gunzip(data: bytes, repairs: list[str]) -> bytes:
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    out = bytearray()
    try:
        # In small pieces, to keep what comes before a damaged place.
        for at in range(0, len(data), 1 << 12):
            out += unzip.decompress(data[at : at + (1 << 12)], MAX_BYTES + 1 - len(out))
            if unzip.eof or len(out) > MAX_BYTES:
                break
    except zlib.error:
        pass
    whole = unzip.eof or len(out) > MAX_BYTES
    repairs.append("gzip'd" if whole else "gzip'd and cut off or damaged")
    return bytes(out)


def _find_header(data: bytes, repairs: list[str]) -> int:
    """Return the offset of the header chunk."""
    if data[:4] == b"MThd":
        return 0
    start = data.find(b"MThd")
    if start >= 0:
        wrapper = data[:4] == b"RIFF" and data[8:12] == b"RMID"
        repairs.append("in a RIFF wrapper" if wrapper else f"{start} bytes of junk before the header")
        return start
    # The name of the chunk may be damaged while its length, 6, is intact.
    track = data.find(b"MTrk")
    if track >= 14 and data[track - 10 : track - 6] == b"\0\0\0\6":
        repairs.append("the header's name is damaged")
        return track - 14
    raise MidiError("no MIDI header")


def _time_base(division: int, repairs: list[str]) -> tuple[int | None, float]:
    """Return (ticks per beat, 0), or (None, ticks per second) for SMPTE time."""
    if division & 0x8000:
        frames, ticks = 256 - (division >> 8), division & 0xFF
        if frames not in (24, 25, 29, 30) or not ticks:
            # Some programs write up to 65535 ticks per beat, such as 55440: a number with many divisors.
            if division % _COMPOSITE == 0:
                repairs.append(f"{division} ticks a beat, more than MIDI allows")
                return division, 0.0
            raise MidiError(f"time in {ticks} ticks of {frames} frames a second")
        return None, (30 / 1.001 if frames == 29 else frames) * ticks
    if not division:
        raise MidiError("0 ticks a beat")
    return division, 0.0


def _tracks(data: bytes, body: int, length: int, repairs: list[str]) -> list[tuple[int, int]]:
    """Return (start, stop) of the events of each track chunk."""
    at = body + length
    if data[at : at + 4] != b"MTrk" or length < 6:
        found = data.find(b"MTrk", body)
        if found < 0:
            raise MidiError("no tracks")
        if length != 6:
            repairs.append(f"a header of {length} bytes")
        at = found
    elif length != 6:
        repairs.append(f"a header of {length} bytes")
    tracks: list[tuple[int, int]] = []
    wrong, junk = 0, 0
    while at + 8 <= len(data) and len(tracks) < MAX_TRACKS:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "big")
        stop = at + 8 + size
        if name == b"MTrk":
            if not _at_boundary(data, stop):
                stop = _next_track(data, at + 8)
                wrong += 1
            tracks.append((at + 8, stop))
        elif not (_is_name(name) and stop <= len(data)):
            stop = _next_track(data, at + 1)
            junk += stop - at
        at = stop
    if wrong:
        repairs.append(f"tracks of a wrong length: {wrong}")
    if junk:
        repairs.append(f"{junk} bytes of junk between tracks")
    if not tracks:
        raise MidiError("no tracks")
    if at < len(data):
        left = f"all after {MAX_TRACKS} tracks left out" if len(tracks) == MAX_TRACKS else "junk at the end"
        repairs.append(f"{left}: {len(data) - at} bytes")
    return tracks


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and name.isalnum()


def _at_boundary(data: bytes, at: int) -> bool:
    """Return whether a chunk may end here: at the end, before another chunk, or after an end-of-track event."""
    return at == len(data) or _is_name(data[at : at + 4]) or data[max(at - 3, 0) : at] == b"\xff\x2f\x00"


def _next_track(data: bytes, after: int) -> int:
    found = data.find(b"MTrk", after)
    return len(data) if found < 0 else found
