"""Read the tables of a SoundFont file (untrusted input).

The format is SoundFont 2.04 (Creative Technology, 2006): a RIFF file with 16-bit samples and nine tables, in which
indices lead from presets to instruments to samples. A damaged or malicious file raises ``UserError``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError

# Section 7 of the specification. The last row of every table is a terminator: it only ends the entry before it.
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
_COMPRESSED = 0x10  # flag of a sample's type: Ogg Vorbis, as in SF3 files

Rows = NDArray[Any]


class SoundfontFile:
    """The tables and samples of a SoundFont file.

    Attributes:
        presets, instruments, samples: structured arrays, one row per entry.
        preset_zones, instrument_zones: for each preset or instrument its zones; a zone is the rows (kind, amount) of
            its generators.
        pcm: all samples, int16, memory-mapped.

    Raises:
        UserError: not a SoundFont 2 file, or a damaged one.
        OSError: the file cannot be read.

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
            raise self.error(f"chunk {min(missing)!r} is missing")
        begin, end = chunks["smpl"]
        self.pcm: NDArray[np.int16] = content[begin : end - (end - begin) % 2].view("<i2")
        tables = {name: self._table(content[slice(*chunks[name])], name) for name in _TABLES}
        self.presets, self.instruments, self.samples = (tables[name][:-1] for name in ("phdr", "inst", "shdr"))
        self.preset_zones = self._zones(tables["phdr"]["bag"], tables["pbag"]["generator"], tables["pgen"])
        self.instrument_zones = self._zones(tables["inst"]["bag"], tables["ibag"]["generator"], tables["igen"])
        if (self.samples["type"] & _COMPRESSED).any():
            raise self.error("its samples are compressed (SF3): use --synth fluidsynth, or an .sf2 file")

    def error(self, reason: str) -> UserError:
        """Return an error that names the file and a reason."""
        return UserError(f"{self.path}: not a usable SoundFont: {reason}")

    def _chunks(self, content: NDArray[np.uint8], at: int, end: int) -> list[tuple[str, int, int]]:
        """Return the chunks from ``at`` to ``end`` as (name, begin, end), each within the file."""
        chunks = []
        while at + 8 <= end:
            name = bytes(content[at : at + 4]).decode("latin-1")
            size = int.from_bytes(bytes(content[at + 4 : at + 8]), "little")
            if at + 8 + size > end:
                raise self.error(f"chunk {name!r} is truncated")
            chunks.append((name, at + 8, at + 8 + size))
            at += 8 + size + size % 2
        return chunks

    def _table(self, content: NDArray[np.uint8], name: str) -> Rows:
        dtype = np.dtype(_TABLES[name])
        if not len(content) or len(content) % dtype.itemsize:
            raise self.error(f"table {name!r} has an invalid size of {len(content)} bytes")
        return np.frombuffer(content.tobytes(), dtype)

    def _zones(self, owners: Rows, bags: Rows, generators: Rows) -> list[list[Rows]]:
        """Return the zones of each owner (preset or instrument): the generators of each zone."""
        for name, index, last in (("zones", owners, len(bags) - 1), ("generators", bags, len(generators))):
            if (np.diff(index.astype(np.int64)) < 0).any() or int(index[-1]) > last:
                raise self.error(f"the indices of its {name} are out of order or range")
        zones = [generators[begin:end] for begin, end in zip(bags[:-1].tolist(), bags[1:].tolist(), strict=True)]
        return [zones[begin:end] for begin, end in zip(owners[:-1].tolist(), owners[1:].tolist(), strict=True)]


def check_header(path: Path) -> None:
    """Check that a file starts with the header of a SoundFont.

    Raises:
        UserError: it does not.
        OSError: the file cannot be read.

    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path}: not a regular file")  # reading a pipe could block
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise UserError(f"{path}: not a SoundFont (a RIFF file of type sfbk)")


def default_soundfont() -> Path:
    """Return the path of the General MIDI SoundFont in the package pretty_midi.

    Raises:
        UserError: it is not installed.

    """
    # Without importing pretty_midi, which takes up to a second.
    spec = find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "TimGM6mb.sf2"
        if path.is_file():
            return path
    raise UserError(
        "the SoundFont TimGM6mb.sf2 of pretty_midi is missing: reinstall pretty_midi, or give --soundfont FILE"
    )
