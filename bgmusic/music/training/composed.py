"""Phrases that a composer made, to be learnt beside real ones.

A critic chooses among drafts. A draft that imitates what was chosen needs less choice, and has more to learn from than
a small corpus holds (self-distillation; the filter and the network that imitates it: Gu et al., "Neural adaptive
sequential Monte Carlo", NeurIPS 2015).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.files import read_npz, write_npz
from bgmusic.music.composing.generate import phrases
from bgmusic.music.composing.load import load_generator
from bgmusic.music.corpora.packed_bits import unpack_rows
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training import distributed
from bgmusic.training.callbacks import Interruption
from bgmusic.training.protocols import Source
from bgmusic.training.runs import Run

_PART = 256  # phrases of a file: what an interruption waits for, or loses
_CELLS = 1 << 28  # of a part, at most

Bytes = NDArray[np.uint8]


class ComposedPhrases:
    """Real phrases, and in each batch a share of composed ones.

    Args:
        real: source of the real ones.
        packed: the composed ones, rows of packed bits, uint8 ``(phrases, bytes)``.
        shape: of the phrases.
        share: of a batch that is composed, on average.

    """

    def __init__(self, real: Source, packed: Bytes, shape: RollShape, share: float) -> None:
        self._real, self._packed, self._bits, self._share = real, packed, shape.cells * shape.planes, share

    def batch(self, size: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw ``size`` phrases: real ones, then composed ones, zeros and ones in float32."""
        made = int((torch.rand(size, generator=generator) < self._share).sum())
        real = self._real.batch(size - made, generator=generator)
        rows = torch.randint(len(self._packed), (made,), generator=generator).numpy()
        bits = unpack_rows(torch.from_numpy(self._packed[rows]).to(real.device), self._bits)
        return torch.cat([real, bits.view(made, *real.shape[1:]).to(real.dtype)])


def compose_phrases(run: Run, number: int, shape: RollShape, device: str = "cpu", quiet: bool = False) -> Bytes | None:
    """Compose phrases into a run's folder ``composed``, or go on with that; None when interrupted.

    Each phrase depends on the run's seed and its number alone. Several processes share the work.

    Args:
        run: the run; it was started from that of the composer.
        number: of phrases.
        shape: of the rolls.
        device: ``cpu`` or ``cuda``.
        quiet: print nothing.

    Returns:
        Rows of packed bits, uint8 ``(number, bytes)``.

    Raises:
        UserError: the composer can't be loaded, or a file of the folder is damaged.
        OSError: the folder can't be written.

    """
    folder = run.path / "composed"
    with distributed.leader_first():  # it has made the run's folder
        folder.mkdir(exist_ok=True)
    size = max(1, min(_PART, _CELLS // shape.cells))
    parts = [(first, min(size, number - first)) for first in range(0, number, size)]
    files = [folder / f"phrases-{first:07d}.npz" for first, _ in parts]
    jobs = 1 if device != "cpu" or distributed.size() > 1 else torch.get_num_threads()
    mine = list(zip(parts, files, strict=True))[distributed.rank() :: distributed.size()]
    missing = [(first, count, path) for (first, count), path in mine if not path.exists()]
    if missing:
        _, _, generator = load_generator(Path(str(run.environment().get("start", ""))))
        generator, seed, console = generator.to(device), run.seed(), Console(stderr=True)
    with Interruption(quiet) as stop:
        for first, count, path in missing:
            if stop():
                break
            made = phrases(generator, shape, count, seed, first=first, jobs=jobs)
            write_npz(path, {"bits": np.packbits(made.reshape(count, -1), axis=1)})
            if not quiet:
                console.print(f"composed {first + count:,} of {number:,} phrases", highlight=False)
        if distributed.any_of(stop()):
            return None
    width = -(-shape.cells * shape.planes // 8)
    return np.concatenate([_read(path, count, width) for path, (_, count) in zip(files, parts, strict=True)])


def _read(path: Path, count: int, width: int) -> Bytes:
    bits = read_npz(path, ["bits"])["bits"]
    if bits.dtype != np.uint8 or bits.shape != (count, width):
        raise UserError(f"{path}: damaged; remove it, and it is composed again")
    return bits
