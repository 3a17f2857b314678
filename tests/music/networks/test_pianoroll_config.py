"""Test the defaults and the checks of piano-roll configs."""

from __future__ import annotations

from typing import Any

import pytest

from bgmusic.errors import UserError
from bgmusic.music.networks.pianoroll_config import CausalConfig, MuseGANConfig, PianorollConfig
from bgmusic.yaml import dump_yaml, load_preset, merge, parse_yaml, presets, validate


@pytest.mark.parametrize("name", presets("pianoroll"))
def test_presets_parse_and_name_their_kind(name: str) -> None:
    values = load_preset("pianoroll", name)
    config = validate(PianorollConfig, values, name)
    assert values["network"]["kind"] == config.network.kind
    assert validate(PianorollConfig, parse_yaml(dump_yaml(config), "again"), "again") == config


@pytest.mark.parametrize("name", presets("pianoroll/strategies"))
def test_strategies_are_for_musegan(name: str) -> None:
    strategy = load_preset("pianoroll/strategies", name)
    assert strategy["network"]["kind"] == "musegan"
    validate(PianorollConfig, merge(load_preset("pianoroll", "satb"), strategy), name)


def test_a_network_without_a_kind_is_causal() -> None:
    assert validate(PianorollConfig, {"network": {"width": 20}}, "test").network == CausalConfig(width=20)


def test_musegan_plays_a_plain_game_by_default() -> None:
    for network in (MuseGANConfig(), {"kind": "musegan"}):
        training = PianorollConfig(network=network).training
        assert training.imitation is None
        assert training.objective == "wgan"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"network": {"kind": "musegan"}, "training": {"imitation": {}}}, r"training\.imitation"),
        ({"network": {"kind": "musegan", "refiner": 0}, "strategy": "joint"}, r"network\.refiner"),
        ({"network": {"kind": "musegan"}, "training": {"batch": 1}}, "batch norm"),
        ({"network": {"kind": "composer"}, "strategy": "two-stage"}, "two-stage"),
        ({"network": {"kind": "composer", "rests": False}}, r"network\.chords"),
        ({"network": {"latent": 8}}, r"network\.causal\.latent"),
        ({"network": {"kind": "other"}}, "other"),
        ({"network": {"kind": "lines"}, "strategy": "two-stage"}, "two-stage"),
        ({"network": {"kind": "lines"}, "neuron": "real"}, "dbn or sbn"),
        ({"network": {"kind": "lines"}, "training": {"imitation": {}}}, r"training\.imitation"),
    ],
)
def test_inconsistent_values_are_refused(values: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=key):
        validate(PianorollConfig, values, "test")
