"""Test run folders: created atomically, and read as untrusted input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_runs import CONFIG, KIND, make_run

from bgmusic.errors import UserError
from bgmusic.files import append_bytes
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.runs import Run, next_run


def test_a_new_run_is_complete(tmp_path: Path) -> None:
    run = make_run(tmp_path / "deep" / "run")
    assert run.config(GameConfig) == CONFIG
    known = run.environment()
    assert known["kind"] == KIND
    assert {"bgmusic", "torch", "python", "machine", "threads", "device", "seed", "command"} <= set(known)
    assert run.seed() == 3
    assert run.seconds() is None
    assert run.load_state() is None
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]


def test_create_accepts_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "empty")
    (tmp_path / "file").write_text("kept")
    for name in ("empty", "file"):
        with pytest.raises(UserError, match=f"{name} exists already"):
            make_run(tmp_path / name)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_failed_create_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bgmusic.training.runs.dump_yaml", full)
    with pytest.raises(OSError, match="No space"):
        make_run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_next_run_is_the_first_free_number(tmp_path: Path) -> None:
    assert next_run(tmp_path, "mnist").name == "mnist-001"
    for name in ("mnist-001", "mnist-002", "other-003"):
        (tmp_path / name).mkdir()
    assert next_run(tmp_path, "mnist").name == "mnist-003"


def test_sweep_removes_temporary_files_but_no_folders(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run.path / ".within.tmp").mkdir()
    (run.path / ".cut.tmp").touch()
    run.sweep()
    assert (run.path / ".within.tmp").is_dir()
    assert not (run.path / ".cut.tmp").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run .*none"):
        Run.open(tmp_path / "none", KIND)
    with pytest.raises(UserError, match=r"config\.yaml"):
        Run.open(tmp_path, KIND)
    make_run(tmp_path / "run")
    with pytest.raises(UserError, match="digits"):
        Run.open(tmp_path / "run", "digits")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 50_000, b" " * 200_000, b"9" * 50_000])
def test_a_corrupt_environment_is_refused(content: bytes, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run.path / "environment.json").write_bytes(content)
    with pytest.raises(UserError, match=r"environment\.json"):
        run.environment()
    (run.path / "environment.json").unlink()
    with pytest.raises(UserError, match=r"environment\.json"):
        Run.open(run.path, KIND)


@pytest.mark.parametrize("seed", [None, -1, 2**64, 1.5, "7", True, [1]])
def test_an_invalid_seed_is_refused(seed: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="seed is "):
        make_run(tmp_path / "run", seed=seed).seed()


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), "7", True, [1]])
def test_an_invalid_budget_is_refused(minutes: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="minutes is "):
        make_run(tmp_path / "run", minutes=minutes).seconds()


def test_minutes_become_seconds(tmp_path: Path) -> None:
    assert make_run(tmp_path / "run", minutes=1.5).seconds() == 90


def test_symbolic_links_in_an_untrusted_run_are_not_followed(tmp_path: Path) -> None:
    run, target = make_run(tmp_path / "run"), tmp_path / "target"
    (run.path / "metrics.jsonl").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        append_bytes(run.path / "metrics.jsonl", b"{}")
    (run.path / ".lock").unlink(missing_ok=True)
    (run.path / ".lock").symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        Run.open(run.path, KIND).hold()
    assert not target.exists()
