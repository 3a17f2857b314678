"""Test that corrupt and harmful runs, generators and samples end in one line, run no code and change no file."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import command
from command_line import refusal
from pickles import Bomb, saved
from small_run import RESUME

from bgmusic.music.corpora.corpus import open_corpus


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """Copy the finished run, so that it may be changed."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def bomb(run: Path) -> Bomb:
    return Bomb(run.parent / "mark")


CORRUPT: dict[str, tuple[str, Any]] = {
    "pickle bomb as state": ("state.pt", lambda run: pickle.dumps(bomb(run))),
    "bomb in a state": ("state.pt", lambda run: saved({"version": 1, "rng": bomb(run)})),
    "bomb in a state of the legacy format": (
        "state.pt",
        lambda run: saved({"version": 1, "rng": bomb(run)}, _use_new_zipfile_serialization=False),
    ),
    "truncated state": ("state.pt", lambda run: (run / "state.pt").read_bytes()[:5000]),
    "empty state": ("state.pt", lambda run: b""),
    "state of something else": ("state.pt", lambda run: saved({"version": 1})),
    "python in the config": ("config.yaml", lambda run: b"a: !!python/object/apply:os.system ['touch mark']"),
    "binary config": ("config.yaml", lambda run: bytes(range(256))),
    "huge config": ("config.yaml", lambda run: b"#" * 10**7),
    "config with unknown keys": ("config.yaml", lambda run: b"more: 1"),
    "config of huge networks": (
        "config.yaml",
        lambda run: b"network: {g_widths: " + str([16_384] * 16).encode() + b"}",
    ),
    "config of other networks": ("config.yaml", lambda run: b"network: {g_widths: [17]}"),
    "truncated environment": ("environment.json", lambda run: b'{"kind": "dig'),
    "nested environment": ("environment.json", lambda run: b"[" * 90_000),
    "seed too large": ("environment.json", lambda run: b'{"kind": "digits", "seed": 1' + b"0" * 100 + b"}"),
    "infinite minutes": ("environment.json", lambda run: b'{"kind": "digits", "seed": 1, "minutes": Infinity}'),
    "run of music": ("environment.json", lambda run: b'{"kind": "music", "seed": 1}'),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRUPT)
def test_a_corrupt_run_is_one_line_and_unchanged(name: str, run: Path) -> None:
    file, make = CORRUPT[name]
    (run / file).write_bytes(make(run))
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    result = command(*RESUME, "run", folder=run.parent)
    assert result.is_user_error(), result.err
    assert "run" in result.err or "networks of 4," in result.err
    assert not (run.parent / "mark").exists()
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    "text", [b"\x1b[31mred\x1b[0m", b"\xe2\x80\xa8next line", b"\x07", "\N{RIGHT-TO-LEFT OVERRIDE}".encode()]
)
def test_control_characters_are_not_printed(text: bytes, run: Path) -> None:
    (run / "config.yaml").write_bytes(b'"' + text.decode().encode("unicode_escape") + b'": 1')
    result = command(*RESUME, "run", folder=run.parent)
    assert result.code == 2
    assert result.err.removesuffix("\n").isprintable()


HEADER = json.dumps({"w": {"dtype": "F32", "shape": [2**32], "data_offsets": [0, 2**34]}}).encode()
GENERATORS: dict[str, Any] = {
    "empty": lambda good, bomb: b"",
    "truncated": lambda good, bomb: good[: len(good) // 2],
    "pickle bomb": lambda good, bomb: pickle.dumps(bomb),
    "zipped bomb": lambda good, bomb: saved(bomb),
    "header of a terabyte": lambda good, bomb: struct.pack("<Q", 2**40) + good[8:],
    "tensor of 16 gigabytes": lambda good, bomb: struct.pack("<Q", len(HEADER)) + HEADER + bytes(100),
    "of music": lambda good, bomb: good.replace(b'"kind":"digits"', b'"kind":"musics"'),
    "other widths": lambda good, bomb: good.replace(b'g_widths\\":[16]', b'g_widths\\":[99]'),
    "huge widths": lambda good, bomb: with_widths(good, [16_384] * 16),
    "unknown key": lambda good, bomb: good.replace(b"g_widths", b"g_wisdom"),
}


def with_widths(good: bytes, widths: list[int]) -> bytes:
    """Replace the widths in the config of a generator."""
    end = 8 + int.from_bytes(good[:8], "little")
    header = json.loads(good[8:end])
    config = json.loads(header["__metadata__"]["config"])
    config["network"]["g_widths"] = widths
    header["__metadata__"]["config"] = json.dumps(config)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + good[end:]


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    "args", [["generate", "run", "-n", 2], ["evaluate", "run", "-n", 6]], ids=["generate", "evaluate"]
)
def test_a_corrupt_generator_is_one_line(name: str, args: list[Any], run: Path) -> None:
    path = run / "generator.safetensors"
    good = path.read_bytes()
    bad = GENERATORS[name](good, Bomb(run.parent / "mark"))
    assert bad != good
    path.write_bytes(bad)
    result = command(*args, folder=run.parent)
    assert result.is_user_error(), result.err
    assert "run/generator.safetensors: " in result.err
    assert not (run.parent / "mark").exists()
    assert not (run.parent / "samples").exists()


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def two_gigabytes() -> bytes:
    """Return a small archive whose table of contents gives its member a size of two gigabytes."""
    content = bytearray(archive(samples=np.zeros((9, 28, 28), np.uint8)))
    entry = content.index(b"PK\x01\x02")  # an entry of the table of contents; the unpacked size is at 24 bytes
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**31)
    return bytes(content)


SAMPLES: dict[str, Any] = {
    "empty": lambda: b"",
    "truncated archive": lambda: b"PK\x03\x04nonsense",
    "another key": lambda: archive(images=np.zeros((9, 28, 28), np.uint8)),
    "another shape": lambda: archive(samples=np.zeros((9, 28), np.uint8)),
    "no images": lambda: archive(samples=np.zeros((0, 28, 28), np.uint8)),
    "too few images": lambda: archive(samples=np.zeros((3, 28, 28), np.uint8)),
    "floats": lambda: archive(samples=np.zeros((9, 28, 28))),
    "grey": lambda: archive(samples=np.full((9, 28, 28), 7, np.uint8)),
    "negative": lambda: archive(samples=np.full((9, 28, 28), -1, np.int8)),
    "objects": lambda: archive(samples=np.array([Bomb(Path("mark"))], dtype=object)),
    "two gigabytes": two_gigabytes,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_corrupt_samples_are_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "samples.npz").write_bytes(SAMPLES[name]())
    result = command("evaluate", "samples.npz", folder=tmp_path)
    assert result.is_user_error(), result.err
    assert "samples.npz: " in result.err
    assert not (tmp_path / "mark").exists()


def damaged_phrases(folder: Path) -> dict[str, bytes]:
    """Return damaged forms of an npz of phrases."""
    open_corpus("bach").roll(0).save(folder / "good.npz")
    good = (folder / "good.npz").read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    return {"flipped": bytes(flipped), "cut": good[:200], "text": b"hello", "empty": b""}


def test_damaged_phrases_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = tmp_path / "sound.wav"
    for name, content in damaged_phrases(tmp_path).items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        for arguments in (("evaluate", path, "--against", "bach"), ("render", path, "--out", sound)):
            assert "or a damaged one" in refusal(capsys, *arguments)
        assert "is a file, no corpus" in refusal(capsys, "evaluate", "bach", "--against", path)
    assert not sound.exists()
