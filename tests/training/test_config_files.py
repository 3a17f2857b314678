"""Test configs: presets, one-line errors that name the key, and harmful YAML."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bgmusic.digits.digits_config import DigitsConfig
from bgmusic.errors import UserError
from bgmusic.files import configs_dir
from bgmusic.gan.game_config import GameConfig
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.yaml import Config, dump_yaml, load_preset, merge, parse_yaml, presets, read_yaml, set_value, validate

PRESETS = sorted(presets("mnist"))
OBJECTIVES = sorted(presets("mnist/objectives"))


def test_presets_are_found() -> None:
    assert {"paper", "original"} <= set(PRESETS)
    assert {"gan", "wgan", "wgan-gp", "hinge", "relativistic"} == set(OBJECTIVES)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("objective", [None, *OBJECTIVES])
def test_every_preset_parses_with_every_objective(name: str, objective: str | None) -> None:
    values = load_preset("mnist", name)
    if objective:
        values = merge(values, load_preset("mnist/objectives", objective))
    config = validate(DigitsConfig, values, name)
    assert validate(DigitsConfig, parse_yaml(dump_yaml(config), "again"), "again") == config
    if objective:
        assert config.training.objective == objective.removesuffix("-gp")


@pytest.mark.parametrize("path", sorted(configs_dir().rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_starts_with_a_comment(path: Path) -> None:
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize(("model", "family"), [(DigitsConfig, "mnist"), (PianorollConfig, "pianoroll")])
def test_class_defaults_equal_the_default_preset(model: type[Config], family: str) -> None:
    assert model() == validate(model, load_preset(family, "default"), "default")


def test_the_paper_preset_has_the_settings_of_the_paper() -> None:
    config = validate(DigitsConfig, load_preset("mnist", "paper"), "paper")
    training = config.training
    assert (config.network.latent, config.network.g_widths, config.network.d_widths) == (128, (1024,), (512, 256))
    assert (config.network.g_norm, config.network.output_norm, config.network.d_norm) == ("batch", "batch", "none")
    assert (training.batch, training.steps, training.d_updates, training.reuse_batch) == (64, 20 * 937, 5, False)
    assert config.network.output_offset == "data"
    assert (training.objective, training.penalty.kind, training.penalty.weight) == ("wgan", "wgan-gp", 10)
    for optimizer in (training.g_optimizer, training.d_optimizer):
        assert (optimizer.kind, optimizer.rate, optimizer.betas) == ("adam", 1e-4, (0.5, 0.9))
    assert (training.slope.growth, training.slope.every) == (1.1, 937)


def test_a_config_is_immutable() -> None:
    config = GameConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.steps = 3  # type: ignore[misc]


def every_field(model: type[Config], prefix: str = "") -> list[tuple[str, str | None]]:
    return [(f"{prefix}{model.__name__}.{name}", field.description) for name, field in model.model_fields.items()]


def is_public(model: type[Config]) -> bool:
    """Whether users set the model's fields: private models are the formats of files that commands write."""
    return model.__module__.startswith("bgmusic") and not model.__name__.startswith("_")


@pytest.mark.parametrize("model", [model for model in Config.__subclasses__() if is_public(model)])
def test_every_field_is_documented(model: type[Config]) -> None:
    assert [name for name, text in every_field(model) if not text] == []


BAD_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"nonsense": 1}, "nonsense: unknown key"),
    ({"penalty": {"kind": "r1r2", "strength": 1}}, "penalty.strength: unknown key"),
    ({1: 2}, "1: "),
    ({"steps": 0}, "steps: "),
    ({"slope": {"final": 1e-40}}, "slope.final: "),
    ({"warmup": {"updates": 5}, "imitation": {"alone": 0.5}}, "warmup counts from the first update"),
    ({"steps": "many"}, "steps: "),
    ({"steps": 1.5}, "steps: "),
    ({"steps": None}, "steps: "),
    ({"steps": 10**10}, "steps: "),
    ({"batch": 10**6}, "batch: "),
    ({"batch": [1]}, "batch: "),
    ({"objective": "best"}, "objective: "),
    ({"precision": "float8"}, "precision: "),
    ({"clip": -1}, "clip: "),
    ({"clip": float("inf")}, "clip: "),
    ({"g_optimizer": {"rate": float("nan")}}, "g_optimizer.rate: "),
    ({"g_optimizer": {"betas": [0.5, 1.0]}}, "g_optimizer.betas.1: "),
    ({"g_optimizer": {"betas": [0.5]}}, "g_optimizer.betas"),
    ({"g_optimizer": {"smoothing": 1.0}}, "g_optimizer.smoothing: "),
    ({"penalty": {"weight": float("nan")}}, "penalty.weight: "),
    ({"slope": {"growth": 0.5}}, "slope.growth: "),
    ({"slope": {"limit": 1e300}}, "slope.limit: "),
    ({"average": {"horizon": 0}}, "average.horizon: "),
    ({"warmup": 3}, "warmup: "),
]


@pytest.mark.parametrize(("values", "text"), BAD_VALUES, ids=[str(values) for values, _ in BAD_VALUES])
def test_bad_values_name_their_key(values: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as error:
        validate(GameConfig, values, "my.yaml")
    assert str(error.value).startswith(f"my.yaml: {text}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [None, 3, "text", [1, 2]])
def test_a_config_that_is_no_mapping_is_refused(values: Any) -> None:
    with pytest.raises(UserError, match=r"^here: "):
        validate(GameConfig, values, "here")


def test_batch_norm_of_single_samples_is_refused() -> None:
    with pytest.raises(UserError, match="batch norm"):
        validate(DigitsConfig, {"training": {"batch": 4, "accumulate": 4}}, "here")
    plain = {"g_norm": "none", "output_norm": "none"}
    validate(DigitsConfig, {"network": plain, "training": {"batch": 1}}, "here")


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(UserError, match=r"estimator: .*'xx'.*straight-through"):
        validate(DigitsConfig, {"estimator": "xx"}, "here")


def test_long_untrusted_text_is_shortened_in_messages() -> None:
    for values in ({"k" * 10**6: 1}, {"estimator": "e" * 10**6}, {"neuron": "n" * 10**6}):
        with pytest.raises(UserError) as error:
            validate(DigitsConfig, values, "here")
        assert len(str(error.value)) < 1000


HARMFUL_YAML = {
    "python tag": "training: !!python/object/apply:os.system ['touch pwned']",
    "unknown tag": "a: !nonsense 3",
    "bad integer": "a: !!int seven",
    "empty integer": 'a: !!int ""',
    "bad truth": "a: !!bool perhaps",
    "bad float": "a: !!float x",
    "bad time": "a: !!timestamp soon",
    "impossible date": "a: 2001-99-99",
    "bad binary": "a: !!binary 'a'",
    "too many digits": "a: " + "9" * 5000,
    "unhashable key": "{[1]: 2}",
    "open bracket": "a: [1, 2",
    "tab": "a:\n\t- 1",
    "deeply nested": "[" * 5000,
    "control character": "a: \x01",
    "a list": "- 1\n- 2",
    "a number": "7",
    "text": "hello",
    "two documents": "a: 1\n---\nb: 2",
    "alias": "a: &x [1]\nb: *x",
    "alias of itself": "a: &x [*x]",
    "merged alias": "a: &x {b: 1}\nc: {<<: *x}",
    "bomb": "a: &a [1]\n"
    + "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "merging bomb": "a: &a {x: 1}\n"
    + "".join(f"{b}: &{b} {{<<: [{f'*{a},' * 9}]}}\n" for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)),
}


@pytest.mark.parametrize("text", HARMFUL_YAML.values(), ids=HARMFUL_YAML.keys())
def test_harmful_yaml_is_refused_in_one_line_and_runs_no_code(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    assert str(error.value).startswith((f"{path}: ", f"{path}, line "))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 300
    assert [p.name for p in tmp_path.iterdir()] == ["odd.yaml"]


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"\xff\xfe\x00a", "not a text file"), (b"\x80" * 50, "not a text file"), (b"#" * 1_000_001, "too large")],
)
def test_binary_and_huge_files_are_refused(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=text):
        read_yaml(path)


def test_an_empty_file_is_an_empty_config(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "empty.yaml") == {}


@given(st.text(max_size=60))
def test_any_text_is_a_mapping_or_a_user_error(text: str) -> None:
    values: object = {}
    with suppress(UserError):
        values = parse_yaml(text, "text")
    assert isinstance(values, dict)


def test_a_preset_by_name_or_file(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("neuron: sbn\n")
    assert load_preset("mnist", str(path)) == {"neuron": "sbn"}
    with pytest.raises(UserError, match=r"'nope'.*paper"):
        load_preset("mnist", "nope")
    with pytest.raises(UserError, match="no preset or file"):
        load_preset("mnist", str(tmp_path))


def test_merge_is_recursive_and_leaves_its_arguments_unchanged() -> None:
    base = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    changes = {"a": {"c": {"f": 4}}, "e": {"g": 5}}
    assert merge(base, changes) == {"a": {"b": 1, "c": {"d": 2, "f": 4}}, "e": {"g": 5}}
    assert base == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("a.b=2", {"a": {"b": 2}}),
        ("a.c=[1, 2]", {"a": {"b": 1, "c": [1, 2]}}),
        ("x.y.z=null", {"a": {"b": 1}, "x": {"y": {"z": None}}}),
        ("a={kind: none}", {"a": {"kind": "none"}}),
        ("off.on=1", {"a": {"b": 1}, "off": {"on": 1}}),
        ("t=a=b", {"a": {"b": 1}, "t": "a=b"}),
    ],
)
def test_set_value(assignment: str, expected: dict[str, Any]) -> None:
    values: dict[str, Any] = {"a": {"b": 1}, "off": None}
    set_value(values, assignment)
    assert {key: value for key, value in values.items() if value is not None} == expected


@pytest.mark.parametrize(
    "assignment",
    [
        "a",
        "=1",
        " =1",
        "a.b.c=1",
        "a=[",
        "a=2001-99-99",
        "a=" + "9" * 5000,
        "a=" + "[" * 5000,
        "a=!!python/name:os.system",
    ],
)
def test_set_value_refuses_invalid_assignments(assignment: str) -> None:
    with pytest.raises(UserError, match=r"^--set "):
        set_value({"a": {"b": 1}}, assignment)


def test_a_dumped_config_is_plain_yaml() -> None:
    values = yaml.safe_load(dump_yaml(DigitsConfig()))
    assert values["training"]["g_optimizer"]["betas"] == [0.0, 0.99]
    assert values["training"]["warmup"] is None


@pytest.mark.parametrize("number", ["1:30:00", "1" + ":0" * 100_000, "1:30.5"])
def test_numbers_in_base_60_are_refused(number: str) -> None:
    with pytest.raises(UserError, match=r"(?s)not a number: 1:.{0,30}$"):
        parse_yaml(f"steps: {number}", "x.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml, line 3: not valid YAML: the key 'a' is given twice, first in line 1"),
        ("t:\n  steps: 1\n  'steps': 2\n", "x.yaml, line 3: .*'steps' is given twice, first in line 2"),
        ("a: 1\nt: [{b: 1, b: 1}]\n", "x.yaml, line 2: .*'b' is given twice$"),
        ("a: 1\nb: [1\n", "x.yaml, line 3: not valid YAML: expected"),
        ("a: &x 1\nb: *x\n", "x.yaml, line 2: not valid YAML: aliases are not allowed"),
        ("a: 1\nb: 1:30:00\n", "x.yaml, line 2: not valid YAML: not a number"),
    ],
)
def test_errors_name_the_file_and_the_line(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_yaml(text, "x.yaml")


def test_the_same_key_in_other_mappings_is_allowed() -> None:
    assert parse_yaml("a: {k: 1}\nb: {k: 2}\nc: [{k: 3}, {k: 4}]\n1: x\n'1': y\n", "x")["b"] == {"k": 2}
    with pytest.raises(UserError, match=r"--set 'a=\{k: 1, k: 2\}': not valid YAML: the key 'k' is given twice"):
        set_value({}, "a={k: 1, k: 2}")
