"""Entry point of the command: Ctrl-C during start-up ends it quietly."""

from __future__ import annotations

import sys
from typing import NoReturn


def start() -> NoReturn:
    """Load the command line and run it."""
    try:
        from bgmusic.cli.main import main

        main()
    except KeyboardInterrupt:  # commands handle Ctrl-C themselves once they run
        sys.exit(130)
