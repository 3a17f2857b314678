"""Test ``--drafts``: among how many drafts a composer's critic chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import bgmusic, refusal
from composers import SATB
from tiny_runs import make_run

import bgmusic as front_door
from bgmusic.errors import UserError
from bgmusic.music.rolls.phrase_files import read_phrases


def _generated(folder: Path, *options: object) -> Any:
    assert bgmusic("generate", "bach", "-n", 2, "--format", "npz", "--out", folder, *options) == 0
    return read_phrases(folder / "rolls.npz")


@pytest.mark.slow
def test_the_number_of_drafts_is_chosen(tmp_path: Path) -> None:
    usual, _ = _generated(tmp_path / "usual")
    few, about = _generated(tmp_path / "few", "--drafts", 2)
    again, _ = _generated(tmp_path / "again", "--drafts", 2, "--jobs", 2)
    assert not np.array_equal(usual.cells, few.cells)
    assert np.array_equal(few.cells, again.cells)
    assert '"drafts": 2' in str(about) or about["drafts"] == 2
    loaded = front_door.load("bach", drafts=2)
    loaded.save_pretrained(tmp_path / "saved")
    for composer in (loaded, front_door.load(tmp_path / "saved")):
        made = composer.generate(2, seed=0)
        assert [np.array_equal(roll.cells, few.roll(n).cells) for n, roll in enumerate(made)] == [True, True]
    assert bgmusic("compose", "bach", "--chords", "C | F", "--bars", 2, "--drafts", 1, "--out", tmp_path / "c") == 0


@pytest.mark.parametrize("command", ["generate", "compose"])
def test_composers_without_a_critic_refuse(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    run, out = make_run(tmp_path / "run", SATB), tmp_path / "out"
    assert "critic" in refusal(capsys, command, run, "--drafts", 2, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("drafts", [0, -1, 257])
def test_numbers_out_of_range_are_refused(capsys: pytest.CaptureFixture[str], drafts: int) -> None:
    assert "--drafts" in refusal(capsys, "generate", "bach", "--drafts", drafts)
    with pytest.raises(UserError, match="1 to 256"):
        front_door.load("bach", drafts=drafts)
