"""Test how runs are found: by path, or by the name of a shipped generator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.training import lookup
from bgmusic.training.lookup import find_run, shipped_generators
from bgmusic.training.weights import kind_of, read_metadata


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a data folder with one generator, and change to an empty folder."""
    folder = tmp_path / "data" / "generators" / "sonata"
    folder.mkdir(parents=True)
    (folder / "generator.safetensors").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(lookup, "data_dir", lambda: tmp_path / "data")
    monkeypatch.chdir(tmp_path / "here")
    return folder


def test_a_shipped_generator_is_found_by_name(data: Path) -> None:
    assert find_run("sonata") == find_run(Path("sonata")) == find_run("generator:sonata") == data


def test_a_run_folder_takes_precedence_over_a_shipped_generator(data: Path) -> None:
    here = Path("sonata")
    here.mkdir()
    (here / "all.mid").touch()
    assert find_run("sonata") == data
    (here / "config.yaml").touch()
    assert find_run("sonata") == here
    assert find_run("generator:sonata") == data


def test_other_names_are_paths_and_must_exist(data: Path) -> None:
    Path("run").mkdir()
    assert find_run("run") == Path("run")  # it may be no run; opening it reports that
    for name in ("nowhere", "../sonata", "generator:nowhere", "generator:../sonata", "generator:"):
        with pytest.raises(UserError, match=r"no run .*sonata"):
            find_run(name)


@pytest.mark.parametrize("folder", shipped_generators().values(), ids=lambda folder: folder.name)
def test_shipped_generators_are_small_and_documented(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"generator.safetensors", "config.yaml", "environment.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000_000
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["kind"] == kind_of(folder) == read_metadata(folder / "generator.safetensors")["kind"]
    assert environment["command"]
    assert f"`generators/{folder.name}/`" in (data_dir() / "README.md").read_text()


def test_bach_is_shipped() -> None:
    assert "bach" in shipped_generators()
