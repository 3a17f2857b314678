"""Save and load a generator as the Hugging Face Hub expects it: config.json, model.safetensors and a model card."""

from __future__ import annotations

import json
from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.files import write_text
from bgmusic.music.composing.load import KIND, build_generator, shape_of, with_drafts
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.weights import read_weights, save_generator
from bgmusic.version import __version__
from bgmusic.yaml import validate

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
_LARGEST_CONFIG = 1_000_000  # bytes; usually two thousand

_CARD = """---
library_name: bgmusic
pipeline_tag: other
tags:
- music
- midi
- piano-roll
- binary-neurons
---

# A composer of {tracks}

A [bgmusic](https://pypi.org/project/bgmusic/) generator ({network}): phrases of {bars} bars, {steps} steps a bar,
tracks {tracks}.

```python
import bgmusic

composer = bgmusic.load("OWNER/NAME")  # this repository, or a folder with its files
composer.generate(1, bars=16, seed=1)[0].save("one.mid")
```
"""


def is_pretrained(folder: Path) -> bool:
    """Return whether a folder holds a generator as :func:`save_pretrained` writes it."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def save_pretrained(network: SampleNetwork, config: PianorollConfig, folder: str | Path) -> None:
    """Write a generator to a folder, each file atomically. A model card that is there already is kept.

    Raises:
        UserError: the config has no ``rolls``.
        OSError: the folder can't be written.

    """
    folder = Path(folder)
    shape = shape_of(config, "this generator")
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "model_type": "bgmusic",
        "bgmusic_version": __version__,
        "kind": KIND,
        "config": config.model_dump(mode="json"),
    }
    save_generator(folder / WEIGHTS, network, config, KIND)
    write_text(folder / CONFIG, json.dumps(values, indent=2) + "\n")
    if not (folder / CARD).exists():
        tracks = ", ".join(track.name for track in shape.track_set.tracks)
        write_text(
            folder / CARD,
            _CARD.format(tracks=tracks, network=config.network.kind, bars=shape.bars, steps=shape.steps),
        )


def load_pretrained(
    folder: Path, name: str | None = None, drafts: int | None = None
) -> tuple[PianorollConfig, RollShape, SampleNetwork]:
    """Load a generator from a folder with ``config.json`` and ``model.safetensors``. The files are untrusted.

    Args:
        folder: the folder.
        name: what error messages call it; the folder by default.
        drafts: see :func:`with_drafts`.

    Raises:
        UserError: a file is corrupt, or the weights don't fit the config.

    """
    path = folder / CONFIG
    where = f"{name or folder}: {CONFIG}"
    if path.stat().st_size > _LARGEST_CONFIG:
        raise UserError(f"{where} is too large for a config")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{where} is not JSON") from None
    if not isinstance(values, dict) or values.get("model_type") != "bgmusic" or values.get("kind") != KIND:
        raise UserError(f"{where} does not describe a bgmusic composer (model_type: bgmusic, kind: {KIND})")
    config = with_drafts(validate(PianorollConfig, values.get("config"), where), drafts, where)
    weights = read_weights(folder / WEIGHTS)
    return config, *build_generator(config, weights, f"{name or folder}: {WEIGHTS}")
