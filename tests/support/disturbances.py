"""Signals, kills and full disks for a command in a child process: context managers around the command."""

from __future__ import annotations

import itertools
import json
import os
import resource
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType, SimpleNamespace


class SignalAt(AbstractContextManager["SignalAt"]):
    """Send signals during an update, before its step is counted."""

    def __init__(self, step: int, *signals: signal.Signals) -> None:
        self.step, self.signals = step, signals

    def __enter__(self) -> SignalAt:
        from bgmusic.gan.game import Game

        update = Game.update

        def disturbed(game: Game) -> None:
            update(game)
            if game.steps_done == self.step:
                for number in self.signals:
                    os.kill(os.getpid(), number)

        Game.update = disturbed  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FileLimit(AbstractContextManager["FileLimit"]):
    """Limit the size of files in bytes: writes fail half-way, as on a full disk."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> FileLimit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))
        return self

    def __exit__(self, *_: object) -> None:
        pass


class KillAt(AbstractContextManager["KillAt"]):
    """Kill the process (SIGKILL) at the n-th call or return of Python or C functions since the training started.

    Args:
        n: number of the event; None never kills.
        files: count events of these source files only.
        tally: file that the total count is written to.

    """

    def __init__(self, n: int | None, files: tuple[str, ...] = (), tally: Path | None = None) -> None:
        self.n, self.files, self.tally = n, files, tally
        self.count, self.begun = 0, False

    def __enter__(self) -> KillAt:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        if self.tally:
            self.tally.write_text(json.dumps(self.count))

    def _event(self, frame: FrameType, kind: str, arg: object) -> None:
        file = frame.f_code.co_filename
        if not self.begun:
            self.begun = frame.f_code.co_name == "train" and file.endswith("bgmusic/training/session.py")
            return
        if not self.files or file.endswith(self.files):
            self.count += 1
            if self.count == self.n:
                os.kill(os.getpid(), signal.SIGKILL)


class KillAfter(AbstractContextManager["KillAfter"]):
    """Kill the process after some seconds of its CPU time, also inside a system call."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> KillAfter:
        signal.setitimer(signal.ITIMER_PROF, self.seconds)  # an unhandled SIGPROF ends the process
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


class FakeClock(AbstractContextManager["FakeClock"]):
    """Let every update take one second of the training's clock."""

    def __enter__(self) -> FakeClock:
        from bgmusic.training import loop

        ticks = itertools.count()
        loop.time = SimpleNamespace(perf_counter=lambda: float(next(ticks)), process_time=lambda: 0.0)  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FewTestDigits(AbstractContextManager["FewTestDigits"]):
    """Compute scores against 300 test digits, which takes a second."""

    def __enter__(self) -> FewTestDigits:
        from bgmusic.digits import data

        load = data.load_digits

        def few(part: str) -> data.Digits:
            digits = load(part)
            return data.Digits(digits.packed[:300], digits.labels[:300]) if part == "test" else digits

        data.load_digits = few
        return self

    def __exit__(self, *_: object) -> None:
        pass
