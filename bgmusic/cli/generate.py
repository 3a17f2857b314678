"""``bgmusic generate``: samples from a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bgmusic.errors import UserError

_MOST = 1_000_000  # samples; more would not fit in memory at once


def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=_MOST, help="How many.")] = 100,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same samples.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("samples"),
    format_: Annotated[str, typer.Option("--format", help="Any of png, npz; separated by commas.")] = "png,npz",
    binarize: Annotated[str, typer.Option(help="For a real-valued generator: ht or bs.")] = "ht",
) -> None:
    """Generate digits: a picture of them (png) and uint8 zeros and ones, (N, 28, 28), key samples (npz)."""
    formats = [name.strip() for name in format_.split(",")]
    unknown = [name for name in formats if name not in ("png", "npz")]
    if unknown:
        raise UserError(f"--format {format_!r}: {unknown[0]!r} is none of png, npz")

    import io

    import numpy as np

    from bgmusic.digits.pictures import save_grid
    from bgmusic.digits.sampling import load_generator, sample
    from bgmusic.files import write_bytes

    _, generator = load_generator(run)
    images = sample(generator, number, seed, binarize)
    out.mkdir(parents=True, exist_ok=True)
    if "npz" in formats:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, samples=images)
        write_bytes(out / "samples.npz", buffer.getvalue())
        typer.echo(f"{len(images)} samples: {out / 'samples.npz'}")
    if "png" in formats:
        shown = images[:1024]  # a sheet that a viewer still opens
        save_grid(out / "samples.png", shown, columns=32 if len(shown) > 256 else 16)
        typer.echo(f"Picture of {len(shown)}: {out / 'samples.png'}")
