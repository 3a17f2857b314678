"""Ctrl-C during a training: the message names a checkpoint only if there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from bgmusic.cli.options import run_training


def stopped(out: Path, capsys: pytest.CaptureFixture[str], *files: str) -> str:
    def training() -> bool:
        out.mkdir(exist_ok=True)
        for name in files:
            (out / name).touch()
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        run_training("pianoroll", out, training, "next", "auto", None)
    assert ended.value.exit_code == 130
    return capsys.readouterr().out


def test_a_second_ctrl_c_names_the_checkpoint_if_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = f"bgmusic train pianoroll --resume --out {tmp_path / 'run'}\n"
    assert stopped(tmp_path / "run", capsys) == ""
    text = stopped(tmp_path / "run", capsys, "config.yaml")
    assert text == f"Stopped before the first checkpoint. Start again: {again}"
    text = stopped(tmp_path / "run", capsys, "state.pt")
    assert text == f"Stopped. Resume from the last checkpoint: {again}"
