"""Test generator files: reproducible bytes, and corrupt files are refused without allocating memory."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from pickles import Bomb
from torch import nn
from toy_runs import CONFIG, KIND
from toys import ToyGenerator

from bgmusic.errors import UserError
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.weights import fill, read_generator, save_generator


def test_equal_generators_are_saved_as_equal_bytes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = ToyGenerator()
    contents = set()
    for number in range(20):  # safetensors writes metadata in random order
        save_generator(tmp_path / str(number), generator, CONFIG, KIND)
        contents.add((tmp_path / str(number)).read_bytes())
    assert len(contents) == 1


def test_missing_corrupt_and_other_generators_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "generator.safetensors"
    with pytest.raises(UserError, match="config"):
        read_generator(path, KIND, GameConfig)
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UserError, match="no generator"):
        read_generator(path, KIND, GameConfig)
    with pytest.raises(UserError, match=r"no run .*none"):
        read_generator(tmp_path / "none" / path.name, KIND, GameConfig)
    save_generator(path, ToyGenerator(), CONFIG, KIND)
    good = path.read_bytes()
    with pytest.raises(UserError, match="digits"):
        read_generator(path, "digits", GameConfig)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**30], "data_offsets": [0, 2**32]}}).encode()
    bad = [
        b"",
        b"nonsense",
        good[:-1],
        good[:50],
        pickle.dumps(Bomb(tmp_path / "mark")),
        struct.pack("<Q", 2**40) + good[8:],  # a header of a terabyte
        struct.pack("<Q", len(header)) + header + b"few",  # a tensor of four gigabytes
        struct.pack("<Q", 5) + b"[[[[[",
    ]
    for content in bad:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"generator\.safetensors: corrupt"):
            read_generator(path, KIND, GameConfig)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("config", [None, "{", "[]", "7", '{"steps": 0}', '{"more": 1}', "[" * 10_000])
def test_a_generator_without_a_valid_config_is_refused(config: str | None, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "generator.safetensors"
    metadata = {"kind": KIND} if config is None else {"kind": KIND, "config": config}
    save_file({"w": torch.zeros(1)}, path, metadata)
    with pytest.raises(UserError, match=r"generator\.safetensors: "):
        read_generator(path, KIND, GameConfig)


def test_weights_that_do_not_fit_allocate_nothing(tmp_path: Path) -> None:
    with torch.device("meta"):
        huge = nn.Linear(10**6, 10**6)  # four terabytes
    for weights in ({}, {"weight": torch.zeros(3, 3), "bias": torch.zeros(3)}):
        with pytest.raises(UserError, match=r"file: .*fit"):
            fill(huge, weights, "file")
    small = nn.Linear(2, 2)
    state = {name: value.clone() for name, value in small.state_dict().items()}
    for wrong in (state | {"more": torch.zeros(1)}, state | {"bias": torch.zeros(2, dtype=torch.int64)}):
        with pytest.raises(UserError, match=r"file: .*fit"):
            fill(nn.Linear(2, 2), wrong, "file")
    filled = fill(nn.Linear(2, 2), state, "file")
    assert torch.equal(filled(torch.ones(1, 2)), small(torch.ones(1, 2)))
    assert not filled.training
