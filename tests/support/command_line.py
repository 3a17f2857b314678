"""Run commands in this process. ``children.command`` runs them in a process of their own."""

from __future__ import annotations

import pytest

from bgmusic.cli.main import main


def bgmusic(*arguments: object) -> int:
    """Run ``bgmusic ARGUMENTS``; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must refuse its arguments with exit code 2; return its one-line error."""
    capsys.readouterr()
    assert bgmusic(*arguments) == 2
    text = capsys.readouterr().err
    assert text.startswith("bgmusic: error: ")
    assert text.count("\n") == 1
    return text
