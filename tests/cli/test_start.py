"""Test the start of the command line: light imports, little memory, and a wheel that finds its data."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bgmusic
from bgmusic.cli.start import start

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "matplotlib", "PIL", "yaml", "safetensors", "tensorboard", "muspy", "symusic", "scipy")


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["train", "mnist", "--help"],
        ["generate", "--help"],
        ["evaluate", "--help"],
        ["render", "--help"],
        ["interpolate", "--help"],
        ["accompany", "--help"],
    ],
    ids=str,
)
def test_help_imports_no_heavy_modules(args: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "bgmusic.cli.main", *args]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
    assert "typer" in imported  # the report lists imports
    assert imported.isdisjoint(HEAVY), imported & set(HEAVY)


@pytest.mark.slow
def test_a_training_needs_little_memory(tmp_path: Path) -> None:
    """Train the networks of the paper for three steps in a new process; its peak stays below 1.5 GB."""
    script = """
import re, resource, sys
from pathlib import Path
from bgmusic.cli.main import main
try:
    main(sys.argv[1:])
finally:
    status = Path("/proc/self/status")
    # Linux counts the peak of the process that started this one into ru_maxrss, but not into VmHWM.
    if status.exists():
        print(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    args = ["train", "mnist", "--config", "paper", "--steps", "3", "--set", "training.warmup=null", "--out", "run"]
    ended = subprocess.run(
        [sys.executable, "-c", script, *args], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    megabytes = int(ended.stdout.split()[-1]) / 1024
    assert megabytes < 1500


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    assert built.name == f"bgmusic-{bgmusic.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.mark.slow
def test_the_wheel_contains_data_presets_and_licence(wheel: Path) -> None:
    def names(folder: Path) -> set[str]:
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != ".gitkeep"}

    for inside, beside in (("_data", "data"), ("_configs", "configs")):
        assert names(wheel / "bgmusic" / inside) == names(ROOT / beside)
    assert {p.name for p in wheel.iterdir()} == {"bgmusic", f"bgmusic-{bgmusic.__version__}.dist-info"}
    assert list(wheel.rglob("LICENSE"))
    assert (wheel / "bgmusic" / "py.typed").exists()
    assert "bgmusic = bgmusic.cli.start:start" in next(wheel.rglob("entry_points.txt")).read_text()


@pytest.mark.slow
def test_the_wheel_trains_and_generates_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    script = f"""
import bgmusic
from bgmusic.files import configs_dir, data_dir
assert bgmusic.__file__.startswith({str(wheel)!r}), bgmusic.__file__
assert str(data_dir()).startswith({str(wheel)!r}), data_dir()
assert str(configs_dir()).startswith({str(wheel)!r}), configs_dir()
from bgmusic.cli.main import main
def run(*args):
    try:
        main([*args])
    except SystemExit as end:
        assert not end.code, end.code
run("train", "mnist", "--config", "paper", "--steps", "2", "--set", "training.warmup=null", "--out", "run")
run("generate", "run", "-n", "4", "--out", "out")
run("generate", "bach", "-n", "1", "--format", "mid", "--out", "music")
"""
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "out" / "samples.npz").is_file()
    assert (tmp_path / "music" / "all.mid").is_file()


def test_ctrl_c_during_imports_ends_with_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, *rest: object) -> object:
        if name == "bgmusic.cli.main":
            raise KeyboardInterrupt
        return imported(name, *rest)

    imported = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", interrupted)
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130
