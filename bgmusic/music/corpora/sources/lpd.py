"""Read rolls saved by pypianoroll, the file format of the Lakh Pianoroll Dataset (LPD).

An ``.npz`` of ``info.json`` and, for each track, the four arrays of a compressed sparse column matrix of
(time, 128) velocities. Cells are converted to notes without a dense roll, so long files need little memory.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.music.corpora.sources.base import MAX_ENTRY_BYTES, Unreadable
from bgmusic.music.corpora.sources.cell_runs import find_runs
from bgmusic.music.corpora.sources.npz import BROKEN, read_array
from bgmusic.music.midi.song import NOTE, TEMPO, TIME_SIGNATURE, Song, Table, sort_notes, table

MAX_TRACKS = 1024
MAX_CELLS = 1 << 22  # of all tracks; ten minutes of eight voices without rests have a fifth of that
MAX_STEPS = 10_000_000  # 38 hours at 24 steps per beat and 180 beats per minute


def decode_lpd(content: bytes) -> Song:
    """Decode a saved ``Multitrack`` to a song with one tick per step.

    A note is a run of nonzero cells of equal velocity; a change of velocity starts another note. Bars follow
    ``downbeat`` where it is evenly spaced.

    Raises:
        Unreadable: the content is damaged or in another format.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _song(archive)
    except BROKEN as error:
        raise Unreadable(f"no pypianoroll file: {error}") from None


def _song(archive: zipfile.ZipFile) -> Song:
    info = _info(archive)
    resolution = info.get("resolution", info.get("beat_resolution"))
    if not isinstance(resolution, int) or not 1 <= resolution <= 30_000:
        raise Unreadable(f"its resolution is {str(resolution)[:40]!r}")
    count = next(i for i in range(MAX_TRACKS + 1) if str(i) not in info or i == MAX_TRACKS)
    names, tables, stored = [], [], 0
    for number in range(count):
        track = info[str(number)]
        if not isinstance(track, dict):
            raise Unreadable(f"its track {number} is not described")
        program = track.get("program")
        if not isinstance(program, int) or not 0 <= program <= 127:
            raise Unreadable(f"its track {number} has the program {str(program)[:40]!r}")
        names.append(str(track.get("name") or "")[:200])
        track_notes, cells = _notes(archive, number, program, bool(track.get("is_drum")), MAX_CELLS - stored)
        stored += cells
        tables.append(track_notes)
    notes = sort_notes(np.concatenate(tables)) if tables else table(NOTE)
    end = int((notes["onset"] + notes["duration"]).max(initial=0))
    signatures, pickup = _bars(archive, resolution)
    return Song(
        ticks_per_beat=resolution,
        notes=notes,
        tempos=_tempo(archive),
        time_signatures=signatures,
        parts=tuple(names),
        pickup=pickup,
        end=end,
        title=str(info.get("name") or "")[:200],
    )


def _info(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        with archive.open("info.json") as file:
            info = json.loads(file.read(MAX_ENTRY_BYTES))
    except KeyError:
        raise Unreadable("no pypianoroll file: it has no info.json") from None
    except RecursionError:
        raise Unreadable("its info.json is nested too deeply") from None
    if not isinstance(info, dict):
        raise Unreadable("its info.json is no table")
    return info


def _notes(archive: zipfile.ZipFile, number: int, program: int, is_drum: bool, most: int) -> tuple[Table, int]:
    """Return the notes of track ``number``, and the number of its cells, at most ``most``."""
    name = f"pianoroll_{number}_csc"
    data, rows, starts, shape = (
        read_array(archive, f"{name}_{part}") for part in ("data", "indices", "indptr", "shape")
    )
    times, pitches = _cells(data, rows, starts, shape, f"its track {number}")
    if len(times) > most:
        raise Unreadable(f"it stores more than {MAX_CELLS:,} cells: no piece of music does")
    data = data.reshape(-1)
    nonzero = data != 0
    times, pitches, data = times[nonzero], pitches[nonzero], data[nonzero]
    order = np.lexsort((times, pitches))
    times, pitches, data = times[order], pitches[order], data[order]
    if ((np.diff(times) == 0) & (np.diff(pitches) == 0)).any():
        raise Unreadable(f"its track {number} stores a cell twice")
    first, last = find_runs(times, pitches, data)
    notes = np.zeros(len(first), NOTE)
    notes["onset"] = times[first]
    notes["duration"] = times[last] - times[first] + 1
    notes["pitch"] = pitches[first]
    velocity = data[first]
    notes["velocity"] = 64 if velocity.dtype.kind == "b" else np.clip(velocity, 1, 127).astype(np.uint8)
    notes["program"], notes["is_drum"], notes["part"] = program, is_drum, number
    return notes, nonzero.size


def _cells(
    data: NDArray[Any], rows: NDArray[Any], starts: NDArray[Any], shape: NDArray[Any], where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the time and pitch of every stored cell of a compressed sparse column matrix."""
    sides = shape.reshape(-1).tolist()
    if len(sides) != 2 or sides[1] != 128 or not 0 <= sides[0] <= MAX_STEPS:
        raise Unreadable(f"{where} has the shape {sides[:4]} instead of (time, 128)")
    if rows.dtype.kind not in "iu" or starts.dtype.kind not in "iu":
        raise Unreadable(f"{where} has fractions as indices")
    times, bounds = rows.reshape(-1).astype(np.int64), starts.reshape(-1).astype(np.int64)
    counts = np.diff(bounds)
    whole = len(bounds) == 129 and bounds[0] == 0 and bounds[-1] == len(times) == data.size and (counts >= 0).all()
    if not whole or (len(times) and not (times.min() >= 0 and times.max() < sides[0])):
        raise Unreadable(f"{where} is no sparse matrix: its indices do not fit its shape")
    return times, np.repeat(np.arange(128), counts)


def _bars(archive: zipfile.ZipFile, resolution: int) -> tuple[Table, int]:
    """Derive the time signature from the downbeats; return it and the length of the pickup in steps."""
    if "downbeat.npy" not in archive.namelist():
        return table(TIME_SIGNATURE), 0
    downbeat = read_array(archive, "downbeat").reshape(-1)
    if downbeat.dtype.kind == "b":
        at = np.flatnonzero(downbeat)
    else:
        at = np.sort(np.clip(downbeat.astype(np.int64), 0, MAX_STEPS))
    bars = np.diff(at)
    if not len(bars) or bars.min() != bars.max() or bars[0] % resolution or not 1 <= bars[0] // resolution <= 32:
        return table(TIME_SIGNATURE), 0
    signature = table(TIME_SIGNATURE, [(0, int(bars[0]) // resolution, 4)])
    return signature, int(at[0]) % int(bars[0])


def _tempo(archive: zipfile.ZipFile) -> Table:
    if "tempo.npy" not in archive.namelist():
        return table(TEMPO)
    tempo = read_array(archive, "tempo").reshape(-1)
    bpm = float(tempo[0]) if len(tempo) else 0.0
    return table(TEMPO, [(0, bpm)] if 1.0 <= bpm <= 10_000.0 else [])
