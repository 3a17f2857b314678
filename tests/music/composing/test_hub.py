"""Test composers saved, uploaded, downloaded and loaded, through huggingface_hub and a local server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import COMPOSER, SATB, make_run

import bgmusic
from bgmusic.music.composing.hub import is_repo_id

SERVER = Path(__file__).parents[2] / "support" / "hub_server.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a tiny composer."""
    return make_run(tmp_path_factory.mktemp("run") / "tiny", SATB, COMPOSER)


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of a local Hub."""
    pytest.importorskip("huggingface_hub")
    with subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.terminate()


def script(code: str, endpoint: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code whose Hub is the local server; HF_ENDPOINT is read when huggingface_hub is imported."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "cache"), "HF_TOKEN": "hf_test"}
    environment["HF_HUB_DISABLE_TELEMETRY"] = environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_saved_composer_loads_and_composes_the_same(run: Path, tmp_path: Path) -> None:
    composer = bgmusic.load(run)
    composer.save_pretrained(str(tmp_path / "saved"))
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {"config.json", "model.safetensors", "README.md"}
    card = (tmp_path / "saved" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: bgmusic\n")
    loaded = bgmusic.load(tmp_path / "saved")
    first, second = composer.generate(2, seed=3), loaded.generate(2, seed=3)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.cells, other.cells)


@pytest.mark.parametrize(
    ("name", "content", "phrase"),
    [
        ("config.json", b"{", "not JSON"),
        ("config.json", b"[]", "does not describe"),
        ("config.json", b'{"model_type": "bert"}', "does not describe"),
        ("config.json", b"[" * 100_000, "not JSON"),
        ("model.safetensors", b"\x80\x04pickle", "not safetensors"),
    ],
)
def test_a_corrupt_folder_is_refused(run: Path, tmp_path: Path, name: str, content: bytes, phrase: str) -> None:
    bgmusic.load(run).save_pretrained(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(bgmusic.UserError, match=phrase):
        bgmusic.load(tmp_path)


def test_weights_of_another_config_are_refused(run: Path, tmp_path: Path) -> None:
    bgmusic.load(run).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    values["config"]["network"]["channels"] += 1
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(bgmusic.UserError, match="don't fit the config"):
        bgmusic.load(tmp_path)


@pytest.mark.slow
def test_an_uploaded_composer_is_downloaded_unchanged(run: Path, endpoint: str, tmp_path: Path) -> None:
    code = f"""
import numpy as np, bgmusic
composer = bgmusic.load({str(run)!r})
assert "commit" in composer.push_to_hub("tester/tiny")
again = bgmusic.load("tester/tiny")
assert np.array_equal(composer.generate(1, seed=5)[0].cells, again.generate(1, seed=5)[0].cells)
print(again)
"""
    ended = script(code, endpoint, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "tester/tiny" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tester/nothing", "tester/other"])
def test_a_missing_repository_or_file_is_a_user_error(name: str, endpoint: str, tmp_path: Path) -> None:
    code = f"""
import huggingface_hub, bgmusic
api = huggingface_hub.HfApi()
api.create_repo("tester/other")
api.upload_file(path_or_fileobj=b"hello", path_in_repo="notes.txt", repo_id="tester/other")
try:
    bgmusic.load({name!r})
except bgmusic.UserError as error:
    print(error)
"""
    ended = script(code, endpoint, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert name in ended.stdout
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.slow
def test_an_unreachable_hub_is_a_user_error(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    code = """
import bgmusic
try:
    bgmusic.load("tester/tiny")
except bgmusic.UserError as error:
    print(error)
"""
    ended = script(code, "http://127.0.0.1:9", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "tester/tiny" in ended.stdout


@pytest.mark.slow
def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["huggingface_hub"] = None
import bgmusic
try:
    bgmusic.load("tester/tiny")
except bgmusic.UserError as error:
    print(error)
"""
    ended = script(code, "http://127.0.0.1:9", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "bgmusic[hub]" in ended.stdout


@pytest.mark.parametrize("name", ["bach", "a/b/c", "../x", "a/..", "a//b", "/a/b", "a/b c", ""])
def test_is_repo_id_refuses_other_names(name: str) -> None:
    assert not is_repo_id(name)
