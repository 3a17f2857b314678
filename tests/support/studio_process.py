"""Run ``bgmusic studio`` in a process of its own."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Signals that whoever runs the tests ignores, as nohup does, would be ignored by the studio, too.
_START = """
import os, signal, sys
for one in (signal.SIGINT, signal.SIGHUP):
    signal.signal(one, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "bgmusic", *sys.argv[1:]])
"""


@dataclass
class Studio:
    """A studio that runs: its process, its address with the token, the two apart, and what it printed before."""

    process: subprocess.Popen[str]
    address: str
    port: int
    token: str
    printed: str

    def interrupt(self, by: signal.Signals = signal.SIGINT) -> int:
        """Send Ctrl-C or another signal; return the exit code. At most 10 seconds are waited for it."""
        self.process.send_signal(by)
        return self.process.wait(10)


@contextlib.contextmanager
def open_studio(*arguments: object, folder: Path | None = None) -> Iterator[Studio]:
    """Start a studio in a folder, at a free port without a browser; end it when the block ends."""
    words = [sys.executable, "-c", _START, "studio", *map(str, arguments), "--port", "0", "--no-browser"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    try:
        assert process.stdout
        seen = ""
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/#token=(\S+)", seen)):
            line = process.stdout.readline()
            assert line, seen
            seen += line
        yield Studio(process, found.group(), int(found[1]), found[2], seen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
