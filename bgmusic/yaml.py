"""Typed, documented, immutable configs: read from YAML, checked, and written back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bgmusic.errors import UserError
from bgmusic.files import configs_dir

_LARGEST_FILE = 1_000_000  # bytes; a preset has a few hundred
_LONGEST_QUOTE = 200  # characters of untrusted text quoted in an error message


class Config(BaseModel):
    """Base of all configs: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


AnyConfig = TypeVar("AnyConfig", bound=Config)


_PLAINLY = {"extra_forbidden": "unknown key", "model_type": "expected names and values"}


def _explain(error: ValidationError, values: Any) -> str:
    parts = []
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(_keys(problem["loc"], values))[:_LONGEST_QUOTE]
        message = _PLAINLY.get(problem["type"], str(problem["msg"]))
        message = message.removeprefix("Value error, ")[:_LONGEST_QUOTE]
        parts.append(f"{where}: {message}" if where else message)
    return "; ".join(parts[:5])


def _keys(place: tuple[int | str, ...], values: Any) -> Iterator[str]:
    """Yield the keys on the way to a value, without the kinds of unions that pydantic names between them."""
    for part in place:
        if isinstance(values, dict) and part not in values and part == values.get("kind"):
            continue
        yield str(part)
        values = values.get(part) if isinstance(values, dict) else None


def validate(model: type[AnyConfig], values: Any, source: str) -> AnyConfig:
    """Validate values against a config's types.

    Raises:
        UserError: a key is unknown or a value is invalid; the message names ``source`` and the keys.

    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_explain(error, values)}") from None


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _PlainLoader(yaml.SafeLoader):
    """Load YAML without aliases, of which nested ones expand to gigabytes, and without duplicate keys."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=alias.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        # Refuse YAML's numbers in base 60 (1:30:00): long ones take minutes to parse.
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and ":" in node.value:
            raise yaml.MarkedYAMLError(problem=f"not a number: {node.value[:20]}", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicates(node)
        return node


def _refuse_duplicates(mapping: yaml.MappingNode) -> None:
    """Raise an error for a key that is given twice, of which PyYAML would silently use the last value."""
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if first := lines.get((key.tag, key.value)):
                before = f", first in line {first}" if first < line else ""
                twice = f"the key {key.value[:60]!r} is given twice{before}"
                raise yaml.MarkedYAMLError(problem=twice, problem_mark=key.start_mark)
            lines[key.tag, key.value] = line


def _load_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (a SafeLoader)
    except Exception as error:  # odd tags and numbers make PyYAML raise what int() or datetime() raise
        detail, where = str(error), source
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            detail = str(error.problem)
            where += f", line {error.problem_mark.line + 1}" if "\n" in text else ""
        detail = " ".join(detail.split())[:_LONGEST_QUOTE] or type(error).__name__
        raise UserError(f"{where}: not valid YAML: {detail}") from None


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Read a YAML mapping from text.

    Raises:
        UserError: the text is no YAML or no mapping.

    """
    values = _load_yaml(text, source)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{source}: expected keys and values")
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping from a file.

    Raises:
        UserError: the file is too large, is no text, no YAML or no mapping.

    """
    if path.stat().st_size > _LARGEST_FILE:
        raise UserError(f"{path}: too large for a config")
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file") from None


def presets(family: str) -> dict[str, Path]:
    """Return the paths of the presets of a family (``mnist``, ...), by name."""
    return {path.stem: path for path in sorted((configs_dir() / family).glob("*.yaml"))}


def load_preset(family: str, name_or_file: str) -> dict[str, Any]:
    """Read the values of a preset by its name, or of a YAML file by its path.

    Raises:
        UserError: there is neither; the message lists the presets.

    """
    known = presets(family)
    if name_or_file in known:
        return read_yaml(known[name_or_file])
    path = Path(name_or_file)
    if path.is_file():
        return read_yaml(path)
    raise UserError(f"no preset or file {name_or_file!r}; presets: {', '.join(known)}")


def set_value(values: dict[str, Any], assignment: str) -> None:
    """Set one ``key=value`` (``training.batch=128``) in nested values, in place; the value is YAML.

    Raises:
        UserError: there is no ``=``, or a parent key holds a single value.

    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {assignment[:_LONGEST_QUOTE]!r}: expected KEY=VALUE")
    *parents, last = key.strip().split(".")
    value = _load_yaml(text, f"--set {assignment[:_LONGEST_QUOTE]!r}")
    for parent in parents:
        below = values.setdefault(parent, {})
        if below is None:  # an optional group that is off
            below = values[parent] = {}
        if not isinstance(below, dict):
            raise UserError(f"--set {assignment[:_LONGEST_QUOTE]!r}: {parent} is a single value")
        values = below
    values[last] = value


def dump_yaml(config: Config) -> str:
    """Write a config as YAML text with all its values, in the order of declaration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested mappings: ``changes`` override ``base``. Neither is modified."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
