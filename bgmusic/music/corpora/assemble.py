"""From parts to a corpus: numbers are shifted, groups and splits decided, arrays and meta.json written.

The parts are read one at a time; what grows with a corpus in memory is its records and fingerprints alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import write_text
from bgmusic.music.corpora import duplicates, split
from bgmusic.music.corpora.parts import Part
from bgmusic.music.corpora.piece import FINE_GRID
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.corpora.store import write_rows
from bgmusic.music.corpora.tiles import SILENT_RANGE, plane_bytes, plane_count

META = "meta.json"
FORMAT = "bgmusic corpus"
VERSION = 1
SHARD_BYTES = 256 << 20
LAYOUT = (
    "bits-*.npy: tiles (tiles, planes, plane_bytes) uint8. A tile is one bar of one track, a plane "
    "numpy.packbits of its (steps, pitches) cells: plane 0 the sustained cells, plane 1 (encoding onset) the "
    "onsets. Tile 0 is silent. ranges.npy: lowest and highest row lit of every tile (255, 0: none). bars.npy: "
    "the tile of every bar and track. passages.npy: unbroken runs of bars, as piece, number of its first bar in "
    "the piece (from 0), its row in bars.npy, how many bars. phrases.npy: passage, bar within the passage."
)


def assemble(parts: list[Path], out: Path, settings: Settings, about: dict[str, Any], compress: bool) -> dict[str, Any]:
    """Put the parts together in ``out``; returns what meta.json says, which is written last.

    Raises:
        UserError: not a single phrase is in them.

    """
    pieces, skipped, sizes = _decide(parts, settings)
    if not sizes["phrases"]:
        first = "; ".join(f"{s['name']}: {s['skipped']}" for s in skipped[:3])
        raise UserError(f"no phrase in any of {len(skipped)} files. {first}")
    (out / META).unlink(missing_ok=True)
    for old in (*out.glob("*.npy"), *out.glob("*.npy.xz")):
        old.unlink()
    shards = _write_arrays(parts, out, settings, sizes, compress)
    meta = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "settings": settings.to_dict(),
        "layout": {"about": LAYOUT, "compressed": compress, "shards": shards, **sizes},
        "rules": _rules(settings),
        "counts": _counts(pieces, skipped),
        "losses": _losses(pieces),
        "pieces": pieces,
        "skipped": skipped,
    }
    write_text(out / META, dumps(meta))
    return meta


def _decide(parts: list[Path], settings: Settings) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, int]]:
    """The records of pieces (with group and split) and of what was skipped, and the lengths of all arrays."""
    pieces: list[dict[str, Any]] = []
    skipped: list[dict[str, Any]] = []
    prints, owners = [], []
    sizes = {"tiles": 1, "bars": 0, "passages": 0, "phrases": 0}
    for path in parts:
        part = Part.load(path)
        prints.append(part.prints)
        owners.append(part.print_owners + len(pieces))
        pieces += part.pieces
        skipped += part.skipped
        sizes["tiles"] += len(part.planes)
        for name in ("bars", "passages", "phrases"):
            sizes[name] += len(getattr(part, name))
    # The same file twice is a duplicate, whatever its fingerprints say.
    prints.append(np.array([int(piece["sha256"][:16], 16) for piece in pieces], np.uint64))
    owners.append(np.arange(len(pieces)))
    groups = duplicates.group_pieces(np.concatenate(owners), np.concatenate(prints), len(pieces))
    smallest: dict[int, str] = {}
    for piece, group in zip(pieces, groups.tolist(), strict=True):
        smallest[group] = min(smallest.get(group, piece["sha256"]), piece["sha256"])
    for piece, group in zip(pieces, groups.tolist(), strict=True):
        piece |= {"group": group, "split": split.split_of(smallest[group], settings.shares)}
    return pieces, skipped, sizes


def _write_arrays(
    parts: list[Path], out: Path, settings: Settings, sizes: dict[str, int], compress: bool
) -> list[dict[str, Any]]:
    """Write the arrays, the tiles in shards; returns the shards' names and numbers of tiles."""
    row = (plane_count(settings.encoding), plane_bytes(settings.steps, settings.track_set.pitches))
    limit = max(1, SHARD_BYTES // (row[0] * row[1]))
    suffix = ".npy.xz" if compress else ".npy"
    counts = [min(limit, sizes["tiles"] - start) for start in range(0, sizes["tiles"], limit)]
    shards = [{"file": f"bits-{number:05}{suffix}", "tiles": count} for number, count in enumerate(counts)]
    widths = {"bars": len(settings.track_set), "passages": 4, "phrases": 2}
    with ExitStack() as files:
        ranges = files.enter_context(write_rows(out / f"ranges{suffix}", "u1", sizes["tiles"], (2,), compress))
        tables = {
            name: files.enter_context(write_rows(out / f"{name}{suffix}", "<u4", sizes[name], (width,), compress))
            for name, width in widths.items()
        }
        ranges.append(np.array([SILENT_RANGE]))
        pieces, passages, rows, tiles = 0, 0, 0, 1
        for path in parts:
            part = Part.load(path)
            shift = np.uint32(tiles - 1)  # a part's first tile is its number 1
            ranges.append(part.ranges)
            tables["bars"].append(np.where(part.bars > 0, part.bars + shift, 0))
            tables["passages"].append(part.passages + np.array([pieces, 0, rows, 0], np.uint32))
            tables["phrases"].append(part.phrases + np.array([passages, 0], np.uint32))
            pieces, passages = pieces + len(part.pieces), passages + len(part.passages)
            rows, tiles = rows + len(part.bars), tiles + len(part.planes)
    stream = _planes(parts, row)
    rest = np.zeros((0, *row), np.uint8)
    for shard, count in zip(shards, counts, strict=True):
        with write_rows(out / str(shard["file"]), "u1", count, row, compress) as file:
            missing = count
            while missing:
                rest = rest if len(rest) else next(stream)
                file.append(rest[:missing])
                missing, rest = missing - min(missing, len(rest)), rest[missing:]
    return shards


def _planes(parts: list[Path], row: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """All tiles, part by part, the silent one first."""
    yield np.zeros((1, *row), np.uint8)
    for path in parts:
        planes = Part.load(path, ("planes",)).planes
        if len(planes):
            yield planes


def _rules(settings: Settings) -> dict[str, str]:
    n, d = settings.metre
    return {
        "phrases": f"{settings.bars} full bars of {n}/{d} in a row, every {settings.hop} bars, in which "
        f"{settings.needed_tracks} or more tracks play at least one note",
        "beat": f"left out are files with less than {settings.min_grid_fit:.0%} of onsets within a quarter step of a "
        f"grid of {lcm(FINE_GRID, settings.resolution)} steps a beat, or of a coarser one within it",
        "duplicates": duplicates.RULE,
        "splits": split.RULE,
    }


def _counts(pieces: list[dict[str, Any]], skipped: list[dict[str, Any]]) -> dict[str, Any]:
    splits = {}
    for name in split.SPLITS:
        chosen = [piece for piece in pieces if piece["split"] == name]
        splits[name] = {"pieces": len(chosen), "phrases": sum(piece["phrases"] for piece in chosen)}
    sizes = Counter(piece["group"] for piece in pieces)
    return {
        "pieces": len(pieces),
        "phrases": sum(piece["phrases"] for piece in pieces),
        "skipped": len(skipped),
        "splits": splits,
        "pieces_with_duplicates": sum(size for size in sizes.values() if size > 1),
    }


def _losses(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """Notes lost on the way to the grid, of all pieces, and the share that each encoding loses of those kept."""
    total: Counter[str] = Counter()
    lost = {"pause": 0.0, "onset": 0.0}
    for piece in pieces:
        counts = {name: count for name, count in piece["losses"].items() if isinstance(count, int)}
        total.update(counts)
        for encoding in lost:
            lost[encoding] += piece["losses"][f"{encoding}_encoding"] * counts.get("kept", 0)
    kept = max(1, total["kept"])
    return dict(total) | {f"{name}_encoding": round(share / kept, 5) for name, share in lost.items()}


def dumps(meta: dict[str, Any]) -> str:
    """JSON that people can read: indented, but one line for each piece and each file skipped."""
    lists = {name: meta[name] for name in ("pieces", "skipped")}
    head = json.dumps({**meta, **{name: [] for name in lists}}, indent=1, ensure_ascii=False)
    for name, records in lists.items():
        lines = ",\n".join(f"  {json.dumps(record, ensure_ascii=False)}" for record in records)
        if lines:
            head = head.replace(f'\n "{name}": []', f'\n "{name}": [\n{lines}\n ]')
    return head + "\n"
