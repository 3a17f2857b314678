"""Kill a small training (SIGKILL) at random moments and resume it: it ends with the bits of an uninterrupted one.

    python bench/kills.py --kills 200
    python bench/kills.py --kills 200 --processes 2  # as under torchrun; half of the kills hit one process alone

Processes are forked from this one, so a kill costs a fraction of a second. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

TRAINING = [
    *("train", "mnist", "--config", "paper", "--neuron", "sbn", "--device", "cpu", "--seed", "5"),
    *("--set", "training.warmup=null", "--set", "training.batch=8", "--set", "training.d_updates=2"),
    *("--set", "training.average.horizon=10", "--set", "training.log_every=4", "--set", "training.checkpoint_every=7"),
    *("--set", "network.g_widths=[16]", "--set", "network.d_widths=[16]"),
]
RESULTS = ["config.yaml", "generator.safetensors", "metrics.jsonl"]


def start(args: list[str], processes: int, log: Path) -> list[int]:
    """Fork the processes of a training; return their ids."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ids = []
    for rank in range(processes):
        child = os.fork()
        if child:
            ids.append(child)
            continue
        try:
            handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            if processes > 1:
                place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
                os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
            from bgmusic.cli.main import main

            main(args)
        except SystemExit as end:
            os._exit(int(end.code or 0))
        finally:
            os._exit(1)
    return ids


def finish(ids: list[int], within: float) -> list[int]:
    """Wait for processes; return their exit codes, negative for signals. Kill those that outlive the time."""
    codes, until = [], time.monotonic() + within
    for process in ids:
        while True:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                codes.append(os.waitstatus_to_exitcode(status))
                break
            if time.monotonic() > until:
                sys.exit(f"process {process} did not end within {within} seconds")
            time.sleep(0.005)
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, default=400, help="updates of the training")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import torch._dynamo  # imported by the first optimizer

    import bgmusic.digits.train  # noqa: F401

    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        log, whole, run = folder / "log", folder / "whole", folder / "run"
        resume = ["train", "mnist", "--device", "cpu", "--resume", "--out"]
        durations = []
        training = [*TRAINING, "--steps", str(options.steps), "--out"]
        for args in ([*training, str(whole)], [*resume, str(whole)]):  # the second finds nothing to do
            begun = time.monotonic()
            assert set(finish(start(args, options.processes, log), 600)) == {0}, log.read_text()
            durations.append(time.monotonic() - begun)
        latest = 2 * durations[1] + 8 * durations[0] / options.kills  # so that most attempts make some progress
        kills = restarts = 0
        longest_end = 0.0
        while True:
            first = not (run / "config.yaml").exists()
            ids = start([*training, str(run)] if first else [*resume, str(run)], options.processes, log)
            if kills == options.kills:
                assert set(finish(ids, 600)) == {0}, log.read_text()
                break
            time.sleep(rng.uniform(0, latest))
            victims = ids if rng.random() < 0.5 else [rng.choice(ids)]
            for process in victims:
                os.kill(process, signal.SIGKILL)
            killed = time.monotonic()
            if len(victims) < len(ids):
                time.sleep(1)
                for process in set(ids) - set(victims):
                    os.kill(process, signal.SIGTERM)  # as torchrun does, which looks after its processes all the time
            codes = finish(ids, 120)  # 30 on a machine that is not busy
            longest_end = max(longest_end, time.monotonic() - killed)
            kills += -signal.SIGKILL in codes
            print(f"{kills} kills", end="\r", file=sys.stderr)
            if set(codes) == {0}:  # it had finished
                restarts += 1
                for path in sorted(run.rglob("*"), reverse=True):
                    path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
                run.rmdir()
        same = all((run / name).read_bytes() == (whole / name).read_bytes() for name in RESULTS)
    found = {"kills": kills, "processes": options.processes, "restarts after a finished training": restarts}
    print(json.dumps(found | {"same bits": same, "longest end of the others, seconds": round(longest_end, 2)}))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
