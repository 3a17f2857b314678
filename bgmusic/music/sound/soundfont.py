"""SoundFonts in: the tables of an ``.sf2`` file, checked before anything is believed.

The format is SoundFont 2.04 (Creative Technology, 2006): a RIFF file with 16-bit samples, and nine tables that
lead from presets over instruments to samples by indices. A damaged or hostile file ends in a ``UserError``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError

# Section 7 of the specification. The last row of every table is no entry: it only says where the one before ends.
_TABLES: dict[str, Any] = {
    "phdr": [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "<u4", 3)],
    "pbag": [("generator", "<u2"), ("modulator", "<u2")],
    "pgen": [("kind", "<u2"), ("amount", "<i2")],
    "inst": [("name", "S20"), ("bag", "<u2")],
    "ibag": [("generator", "<u2"), ("modulator", "<u2")],
    "igen": [("kind", "<u2"), ("amount", "<i2")],
    "shdr": [
        ("name", "S20"),
        *((field, "<u4") for field in ("start", "end", "loop_start", "loop_end", "rate")),
        ("root", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ],
}
_COMPRESSED = 0x10  # of a sample's type: Ogg Vorbis, as SF3 files have it

Rows = NDArray[Any]


class SoundfontFile:
    """The tables and the samples of a SoundFont file.

    ``presets``, ``instruments`` and ``samples`` are structured arrays; ``preset_zones`` and ``instrument_zones`` give
    for each of them its zones, every zone being the rows (kind, amount) of its generators. ``pcm`` is int16.

    Raises:
        UserError: it is no SoundFont 2, or a damaged one.
        OSError: the file can't be read.

    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        check_header(self.path)
        content = np.memmap(self.path, np.uint8, "r")
        chunks: dict[str, tuple[int, int]] = {}
        for name, begin, end in self._chunks(content, 12, len(content)):
            if name == "LIST":
                chunks |= {inner: (a, b) for inner, a, b in self._chunks(content, begin + 4, end)}
        missing = {*_TABLES, "smpl"} - set(chunks)
        if missing:
            raise self.refusal(f"no chunk {min(missing)}")
        begin, end = chunks["smpl"]
        self.pcm: NDArray[np.int16] = content[begin : end - (end - begin) % 2].view("<i2")
        tables = {name: self._table(content[slice(*chunks[name])], name) for name in _TABLES}
        self.presets, self.instruments, self.samples = (tables[name][:-1] for name in ("phdr", "inst", "shdr"))
        self.preset_zones = self._zones(tables["phdr"]["bag"], tables["pbag"]["generator"], tables["pgen"])
        self.instrument_zones = self._zones(tables["inst"]["bag"], tables["ibag"]["generator"], tables["igen"])
        if (self.samples["type"] & _COMPRESSED).any():
            raise self.refusal("its samples are compressed (SF3): FluidSynth plays such files, or give an .sf2")

    def refusal(self, reason: str) -> UserError:
        """The error that says what is wrong with the file."""
        return UserError(f"{self.path}: not a usable SoundFont: {reason}")

    def _chunks(self, content: NDArray[np.uint8], at: int, end: int) -> list[tuple[str, int, int]]:
        """Names, beginnings and ends of the chunks that follow each other from ``at`` on; each lies within the file."""
        found = []
        while at + 8 <= end:
            name = bytes(content[at : at + 4]).decode("latin-1")
            size = int.from_bytes(bytes(content[at + 4 : at + 8]), "little")
            if at + 8 + size > end:
                raise self.refusal(f"its chunk {name!r} is cut off")
            found.append((name, at + 8, at + 8 + size))
            at += 8 + size + size % 2
        return found

    def _table(self, content: NDArray[np.uint8], name: str) -> Rows:
        dtype = np.dtype(_TABLES[name])
        if not len(content) or len(content) % dtype.itemsize:
            raise self.refusal(f"{len(content)} bytes are no table {name}")
        return np.frombuffer(content.tobytes(), dtype)

    def _zones(self, owners: Rows, bags: Rows, generators: Rows) -> list[list[Rows]]:
        """For each owner (preset or instrument) the generators of its zones."""
        for name, index, last in (("zones", owners, len(bags) - 1), ("generators", bags, len(generators))):
            if (np.diff(index.astype(np.int64)) < 0).any() or int(index[-1]) > last:
                raise self.refusal(f"its {name} are out of order")
        zones = [generators[begin:end] for begin, end in zip(bags[:-1].tolist(), bags[1:].tolist(), strict=True)]
        return [zones[begin:end] for begin, end in zip(owners[:-1].tolist(), owners[1:].tolist(), strict=True)]


def check_header(path: Path) -> None:
    """Make sure that a file begins as a SoundFont does.

    Raises:
        UserError: it does not.
        OSError: it can't be read.

    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path}: not a file")  # a pipe would keep us waiting
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise UserError(f"{path}: no SoundFont (a RIFF file of the type sfbk)")


def default_soundfont() -> Path:
    """The General MIDI SoundFont that comes with pretty_midi.

    Raises:
        UserError: it is not there.

    """
    # Found without importing the library, which takes a second.
    spec = find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "TimGM6mb.sf2"
        if path.is_file():
            return path
    raise UserError("pretty_midi's SoundFont TimGM6mb.sf2 is not there: install pretty_midi, or give --soundfont FILE")
