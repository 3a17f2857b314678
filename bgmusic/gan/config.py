"""Configs: typed, documented, immutable; unknown keys are refused. YAML in, YAML out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bgmusic.errors import UserError
from bgmusic.files import configs_dir
from bgmusic.neurons.estimators import find

_LARGEST_FILE = 1_000_000  # bytes; a preset has a few hundred
_LONGEST_QUOTE = 200  # characters of a stranger's text in an error


def _known_estimator(name: str) -> str:
    find(name)
    return name


EstimatorName = Annotated[str, AfterValidator(_known_estimator)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class Config(BaseModel):
    """What every config shares: it can't be changed, and knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class OptimizerConfig(Config):
    """One side's optimiser and how its learning rate falls."""

    kind: Literal["adam", "rmsprop"] = "adam"
    """Adam (arXiv 1412.6980) or RMSprop."""
    rate: Positive = 1e-4
    """Learning rate at the start."""
    betas: tuple[Decay, Decay] = (0.5, 0.9)
    """Adam's decay of the first and second moment."""
    smoothing: Decay = 0.9
    """RMSprop's decay of the squared gradient."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate falls from `decay_from` to the end of training."""
    decay_from: Share = 0.0
    """Share of the training after which the rate begins to fall."""
    final: Share = 0.0
    """The rate at the end, as a share of `rate`."""
    rise: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Updates over which the rate rises evenly from 0 in the beginning."""
    longest: Positive | None = None
    """If given, gradients longer than this (their norm over all weights) are cut to it."""


class PenaltyConfig(Config):
    """The gradient penalty on the discriminator."""

    kind: Literal["none", "wgan-gp", "r1r2"] = "none"
    """`wgan-gp`: one-centred at interpolates (arXiv 1704.00028); `r1r2`: zero-centred at data and samples."""
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    """WGAN-GP's lambda, or R1 + R2's gamma."""
    final_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """If given, the weight moves there during training, evenly by factors."""
    every: Count = 1
    """Lazy penalty: computed every so many D updates, its weight multiplied by as much (arXiv 1912.04958)."""


class WarmupConfig(Config):
    """Extra D updates, as in WGAN's original code."""

    updates: Count = 100
    """D updates before a G update while warming up."""
    first: Annotated[int, Field(ge=0)] = 25
    """G updates at the start that count as warming up."""
    every: Count = 500
    """And every so many G updates after."""


class AverageConfig(Config):
    """The averaged generator: an exponential moving average of G's weights, which is what samples."""

    horizon: Count = 1000
    """Time constant in G updates: the decay is 1 - 1/horizon."""
    ramp: Share = 1.0
    """Early on, the horizon is at most this share of the updates made: a long average would sample the start."""


class SlopeConfig(Config):
    """Slope annealing of the binary neurons."""

    growth: Annotated[float, Field(ge=1, le=10)] = 1.0
    """Factor by which the slope grows (1.1 in the papers)."""
    every: Count = 937
    """G updates between two steps of growth (one epoch of MNIST in batches of 64)."""
    limit: Annotated[float, Field(ge=1, le=1e6)] = 100.0
    """The slope never grows beyond this."""
    final: Annotated[float, Field(ge=1e-6, le=1e6)] | None = None
    """If given, the slope moves from 1 to there evenly by factors over the whole training, however long it is."""


class ImitationConfig(Config):
    """G learns from the data directly too, where its network can: a warm start, and a support during the game."""

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Of G's imitation loss beside its adversarial one."""
    alone: Share = 0.5
    """Share of the training in which G imitates and nothing else; then the game begins (1: never)."""


class TrainingConfig(Config):
    """The adversarial game's rules."""

    steps: Count = 18_740
    """G updates in all."""
    batch: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Samples of each kind in an update."""
    accumulate: Count = 1
    """Micro-batches that an update is computed in; their gradients are averaged."""
    objective: Literal["gan", "wgan", "hinge", "relativistic"] = "wgan"
    """What both sides minimise, see bgmusic.gan.objectives."""
    penalty: PenaltyConfig = PenaltyConfig()
    """Gradient penalty on D."""
    clip: Positive | None = None
    """WGAN: D's weights are clipped to this size after each update (0.01 in the paper)."""
    d_updates: Count = 1
    """D updates before each G update."""
    reuse_batch: bool = False
    """All D updates before a G update, and that update, see one batch of data and noise (as BinaryGAN's code)."""
    warmup: WarmupConfig | None = None
    """Extra D updates at the start and now and then."""
    g_optimizer: OptimizerConfig = OptimizerConfig()
    """G's optimiser."""
    d_optimizer: OptimizerConfig = OptimizerConfig()
    """D's optimiser."""
    average: AverageConfig | None = None
    """The averaged generator; without it, G itself samples."""
    slope: SlopeConfig = SlopeConfig()
    """Slope annealing."""
    imitation: ImitationConfig | None = None
    """If given, G also learns from the data directly."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    """Type of matrix work; penalties and losses stay float32. ``auto``: bfloat16 where the device multiplies in it."""
    log_every: Count = 100
    """G updates between two lines of metrics, each a mean over them."""
    sample_every: Count = 1000
    """G updates between two sample pictures."""
    checkpoint_every: Count = 1000
    """G updates between two checkpoints."""

    @model_validator(mode="after")
    def _even(self) -> TrainingConfig:
        if self.batch % self.accumulate:
            raise ValueError(f"a batch of {self.batch} can't be split evenly into accumulate = {self.accumulate}")
        if self.warmup and self.imitation and self.imitation.alone > 0:
            raise ValueError("warmup counts from the first update, when there is no game yet: imitation.alone=0")
        return self


AnyConfig = TypeVar("AnyConfig", bound=Config)


def _explain(error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])[:_LONGEST_QUOTE]
        message = "unknown key" if problem["type"] == "extra_forbidden" else str(problem["msg"])
        message = message.removeprefix("Value error, ")[:_LONGEST_QUOTE]
        parts.append(f"{where}: {message}" if where else message)
    return "; ".join(parts[:5])


def validate(model: type[AnyConfig], values: Any, source: str) -> AnyConfig:
    """Check values against a config's types.

    Raises:
        UserError: a key is unknown or a value is bad; the text names ``source`` and the keys.

    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_explain(error)}") from None


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: no config needs them, and a few lines of nested ones unfold to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        node: yaml.Node | None = super().compose_node(parent, index)
        # Numbers in base 60 (1:30:00) are no one's wish here, and long ones take minutes.
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and ":" in node.value:
            raise yaml.YAMLError(f"not a number: {node.value[:20]}")
        return node


def _load_yaml(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (a SafeLoader)
    except Exception as error:  # odd tags and numbers make PyYAML raise whatever int() or datetime() do
        detail = " ".join(str(error).split())[:_LONGEST_QUOTE]
        raise UserError(f"{source}: not valid YAML: {detail or type(error).__name__}") from None


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Read a YAML mapping from text.

    Raises:
        UserError: it is no YAML, or no mapping.

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
        UserError: the file is too large, no text, no YAML or no mapping.

    """
    if path.stat().st_size > _LARGEST_FILE:
        raise UserError(f"{path}: too large for a config")
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file") from None


def presets(family: str) -> dict[str, Path]:
    """The presets of a family (``mnist``, ...), by name."""
    return {path.stem: path for path in sorted((configs_dir() / family).glob("*.yaml"))}


def load_preset(family: str, name_or_file: str) -> dict[str, Any]:
    """The values of a preset by name, or of the user's own file.

    Raises:
        UserError: there is neither; the text lists the presets.

    """
    known = presets(family)
    if name_or_file in known:
        return read_yaml(known[name_or_file])
    path = Path(name_or_file)
    if path.is_file():
        return read_yaml(path)
    raise UserError(f"no preset or file {name_or_file!r}; presets: {', '.join(known)}")


def set_value(values: dict[str, Any], assignment: str) -> None:
    """Apply one ``key=value`` (``training.batch=128``) to nested values, in place; the value is YAML.

    Raises:
        UserError: it has no ``=``, or goes through something that is no mapping.

    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {assignment[:_LONGEST_QUOTE]!r}: expected KEY=VALUE")
    *parents, last = key.strip().split(".")
    value = _load_yaml(text, f"--set {assignment[:_LONGEST_QUOTE]!r}")
    for parent in parents:
        below = values.setdefault(parent, {})
        if below is None:  # an optional group that was off
            below = values[parent] = {}
        if not isinstance(below, dict):
            raise UserError(f"--set {assignment[:_LONGEST_QUOTE]!r}: {parent} is a single value")
        values = below
    values[last] = value


def dump_yaml(config: Config) -> str:
    """A config as YAML, all values resolved, in the order of their declaration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A nested mapping with another's values on top; neither is changed."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
