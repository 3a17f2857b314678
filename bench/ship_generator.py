"""Write a run's generator as it comes with bgmusic: weights in half precision, config and environment.

python bench/ship_generator.py RUN data/generators/bach
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from bgmusic.music.composing.load import KIND, load_generator
from bgmusic.training.weights import save_generator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    config, _, generator = load_generator(options.run)
    options.out.mkdir(parents=True, exist_ok=True)
    save_generator(options.out / "generator.safetensors", generator, config, KIND, half=True)
    for name in ("config.yaml", "environment.json"):
        shutil.copy(options.run / name, options.out / name)
    print(f"{(options.out / 'generator.safetensors').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
