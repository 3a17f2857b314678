"""Where the command begins: Ctrl-C ends it quietly while the command line itself is still being loaded, too."""

from __future__ import annotations

import sys
from typing import NoReturn


def start() -> NoReturn:
    """Load the command line and run it."""
    try:
        from bgmusic.cli.main import main

        main()
    except KeyboardInterrupt:  # before a command has begun, which sees to that by itself
        sys.exit(130)
