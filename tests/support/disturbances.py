"""What can happen to a command while it runs; each is entered in the child process, around the command."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any


class SignalAt(AbstractContextManager["SignalAt"]):
    """Signals arrive while an update is computed, before its step is counted."""

    def __init__(self, step: int, *signals: signal.Signals) -> None:
        self.step, self.signals = step, signals

    def __enter__(self) -> SignalAt:
        from bgmusic.gan.game import Game

        update = Game._update_generator

        def disturbed(game: Game, rounds: Any) -> None:
            update(game, rounds)
            if game.steps_done == self.step:
                for number in self.signals:
                    os.kill(os.getpid(), number)

        Game._update_generator = disturbed  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FileLimit(AbstractContextManager["FileLimit"]):
    """No file may grow beyond so many bytes: writes fail half way, as on a full disk."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> FileLimit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))
        return self

    def __exit__(self, *_: object) -> None:
        pass


class KillAt(AbstractContextManager["KillAt"]):
    """``kill -9`` at the n-th call or return, Python's or C's, counted from the moment that a training begins.

    ``files`` restricts the count to what these source files do: to the writing of files, say.
    Without n, the count of all is written to ``tally``.
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
            self.begun = frame.f_code.co_name == "train" and file.endswith("bgmusic/gan/training.py")
            return
        if not self.files or file.endswith(self.files):
            self.count += 1
            if self.count == self.n:
                os.kill(os.getpid(), signal.SIGKILL)


class KillAfter(AbstractContextManager["KillAfter"]):
    """The process dies after so many seconds of its CPU time, be it in the middle of a system call."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> KillAfter:
        signal.setitimer(signal.ITIMER_PROF, self.seconds)  # SIGPROF, which nothing handles, ends a process at once
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


class FewTestDigits(AbstractContextManager["FewTestDigits"]):
    """Scores are computed against 300 test digits, which takes a second."""

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
