"""Run ``bgmusic studio`` in a process of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Studio:
    """A studio that runs: its process, its address with the token, and the two apart."""

    process: subprocess.Popen[str]
    address: str
    port: int
    token: str

    def interrupt(self) -> int:
        """Send Ctrl-C; return the exit code. At most 10 seconds are waited for it."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


@contextlib.contextmanager
def open_studio(*arguments: object) -> Iterator[Studio]:
    """Start a studio at a free port without a browser; end it when the block ends."""
    words = [sys.executable, "-m", "bgmusic", "studio", *map(str, arguments), "--port", "0", "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout
        seen = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/#token=(\S+)", seen)):
            line = process.stdout.readline()
            assert line, seen
            seen += line
        yield Studio(process, found.group(), int(found[1]), found[2])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
