"""Test ``precision: auto``: bfloat16 on devices with bfloat16 instructions, else float32."""

import platform
from pathlib import Path

import pytest
import torch

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.digits.train import train_digits
from bgmusic.gan.game_config import GameConfig
from bgmusic.training.precision import multiplies_bfloat16, settle_precision, settled_as
from bgmusic.training.runs import Run


def set_capabilities(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


@pytest.mark.parametrize("instruction", ["amx_bf16", "avx512_bf16"])
def test_auto_is_bfloat16_if_the_processor_supports_it(monkeypatch: pytest.MonkeyPatch, instruction: str) -> None:
    set_capabilities(monkeypatch, avx2=True, **{instruction: True})
    assert settle_precision(GameConfig(precision="auto"), "cpu").precision == "bfloat16"


def test_auto_is_float32_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    set_capabilities(monkeypatch, avx2=True, amx_bf16=False, avx512_bf16=False)
    assert settle_precision(GameConfig(precision="auto"), "cpu").precision == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # an older torch
    assert settle_precision(GameConfig(precision="auto"), "cpu").precision == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_explicit_precision_is_kept(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    config = GameConfig.model_validate({"precision": precision})
    for fast in (False, True):
        set_capabilities(monkeypatch, avx512_bf16=fast)
        assert settle_precision(config, "cpu") == config


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() != "x86_64", reason="reads the flags from /proc/cpuinfo"
)
def test_the_capability_equals_the_flags_of_the_processor() -> None:
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    assert multiplies_bfloat16("cpu") == ("amx_bf16" in flags or "avx512_bf16" in flags)


@pytest.mark.parametrize("fast", [False, True])
def test_the_config_of_a_run_stores_the_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    set_capabilities(monkeypatch, avx512_bf16=fast)
    network = {"kind": "mlp", "latent": 4, "g_widths": [4], "d_widths": [4]}
    config = DigitsConfig.model_validate(
        {"network": network, "training": {"steps": 1, "batch": 2, "precision": "auto"}}
    )
    train_digits(tmp_path / "run", config, device="cpu", quiet=True)
    assert Run.open(tmp_path / "run", "digits").config(DigitsConfig).training.precision == (
        "bfloat16" if fast else "float32"
    )


def test_a_resumed_run_keeps_its_precision() -> None:
    kept = GameConfig(precision="bfloat16")
    assert settled_as(GameConfig(precision="auto"), kept) == kept
    assert settled_as(GameConfig(precision="float32"), kept).precision == "float32"
