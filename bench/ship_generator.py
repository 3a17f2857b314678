"""Write a run's generator as it comes with bgmusic: weights in half precision, config and environment.

python bench/ship_generator.py RUN data/generators/bach [--set obedience=1.5] [--set blank_drafts=8]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bgmusic.files import write_text
from bgmusic.music.composing.load import KIND, load_generator
from bgmusic.training.weights import save_generator
from bgmusic.yaml import dump_yaml, set_value, validate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--set", action="append", default=[], help="a network setting of composing, not of the training"
    )
    options = parser.parse_args()
    config, _, generator = load_generator(options.run)
    values = config.model_dump()
    for assignment in options.set:
        set_value(values, f"network.{assignment}")
    config = validate(type(config), values, "--set")
    options.out.mkdir(parents=True, exist_ok=True)
    save_generator(options.out / "generator.safetensors", generator, config, KIND, half=True)
    write_text(options.out / "config.yaml", f"# bgmusic {KIND}\n" + dump_yaml(config))
    about = (options.run / "environment.json").read_text()
    write_text(options.out / "environment.json", about.replace(f"{options.run.resolve().parent}/", "runs/"))
    print(f"{sum(path.stat().st_size for path in options.out.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
