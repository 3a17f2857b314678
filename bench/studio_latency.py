"""Measure the studio: CPU-seconds from a request to compose until the first notes are sent, and to the end.

python bench/studio_latency.py [--seeds 4] [RUN ...]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import torch

from bgmusic.studio.composing import Composers
from bgmusic.studio.session import Session


async def measure(session: Session, seed: int) -> tuple[float, float]:
    """Compose the whole piece once."""
    news = session.listen()
    begin, first = time.process_time(), 0.0
    session.compose(None, None, seed)
    while not (event := await news.get()).startswith("event: done"):
        if event.startswith("event: progress") and not first and json.loads(event.split("data: ")[1])["notes"]:
            first = time.process_time() - begin
    session.leave(news)
    return first, time.process_time() - begin


async def main() -> None:
    """Measure each composer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", default=["bach", "freedoom"])
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    composers = Composers({run: run for run in options.runs})
    for run in options.runs:
        session = Session(composers)
        session.new(run, None)
        for seed in range(options.seeds):
            first, whole = await measure(session, seed)
            print(f"{run}, seed {seed}: first notes {first:.2f} CPU-s, whole phrase {whole:.2f} CPU-s")
    composers.close()


asyncio.run(main())
