"""Results of an evaluation, as numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

from bgmusic.music.judging.judge import Judged
from bgmusic.music.judging.two_sample import TwoSample

_FAULTS = 5  # named by the verdict
_CLOSE = 1.5  # times the floor
_COPIED_RUN = 2.0  # times the run of held-out phrases


@dataclass(frozen=True)
class Row:
    """One statistic of the samples and of the data.

    ``samples`` and ``data`` are means; ``distance`` and ``overlap`` compare the two distributions, ``floor`` and
    ``floor_overlap`` those of training phrases and the data. ``core`` statistics enter the mean distance ``distance``
    of an evaluation, all enter the distance of their ``family``. ``errors`` and ``floor_errors`` are the distances in
    standard errors of the data (bootstrap over pieces). Statistics of tracks are averaged over the tracks. Statistics
    of categories have no mean; ``note`` names the category that differs most.
    """

    name: str
    core: bool
    samples: float
    data: float
    distance: float
    floor: float
    overlap: float
    floor_overlap: float
    family: str = ""
    errors: float = nan
    floor_errors: float = nan
    note: str = ""


@dataclass(frozen=True)
class Distance:
    """A mean distance over statistics, with a 95% confidence interval (bootstrap over pieces)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Family:
    """The statistics of one family: their mean distance, that of training phrases, and both in standard errors.

    ``errors`` and ``floor_errors`` are medians over the statistics, in standard errors of the data.
    """

    name: str
    statistics: int
    distance: Distance
    floor: Distance
    errors: float
    floor_errors: float

    @property
    def times(self) -> float:
        """The distance over that of training phrases; NaN if that is 0."""
        return self.distance.mean / self.floor.mean if self.floor.mean else nan

    @property
    def differs(self) -> bool:
        """Whether the distance is over 1.5 times the floor, and its interval above the floor's."""
        return self.times > _CLOSE and self.distance.low > self.floor.high


@dataclass(frozen=True)
class Fault:
    """An event that is more frequent, or rarer, in the samples than in the data.

    Attributes:
        name: the event.
        unit: what ``rate`` counts the event against, in the plural; "phrase" for a count in each phrase.
        rate: events over occasions, or per phrase.
        data: the same of the data.
        errors: the difference in standard errors of the data.
        example: phrase, bar, beat and tracks, in words, numbered from 1; "" if there is none.

    """

    name: str
    unit: str
    rate: float
    data: float
    errors: float
    example: str

    def __str__(self) -> str:
        scale, unit = (1, "a phrase") if self.unit == "phrase" else (100, f"per 100 {self.unit}")
        line = f"{self.name}: {self.rate * scale:.3g} {unit}, in the data {self.data * scale:.3g}"
        return f"{line}: {self.example}" if self.example else line


@dataclass(frozen=True)
class Run:
    """Longest runs of notes that occur in the training set, in any key: quantiles over phrases, in notes.

    Attributes:
        tracks: name of the track, or "all tracks".
        median: of all phrases in which the track plays.
        high: the 90% quantile.
        longest: the longest run.

    """

    tracks: str
    median: float
    high: float
    longest: int


@dataclass(frozen=True)
class Copying:
    """How much is copied from the training set.

    Attributes:
        common: quantiles (10%, 50%, 90%) over phrases of the share of notes in common with the nearest training phrase,
            up to transposition.
        copies: share of phrases with 80% of their notes or more in common.
        known_bars: share of bars that occur in the training set.
        runs: longest runs of notes that occur in the training set, by track; all tracks together last.

    """

    common: tuple[float, float, float]
    copies: float
    known_bars: float
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class RealPieces:
    """Comparison with all real pieces, training and held-out, as means over five folds of pieces.

    Each fold is the data once, and the other pieces are the floor.

    Attributes:
        pieces: number of real pieces.
        phrases: number of their phrases that were read.
        distance: mean distance over the twelve core statistics.
        floor: the same of the other pieces.
        families: the families of statistics.
        family_distance: mean distance over families.
        family_floor: the same of the other pieces.
        two_sample: two-sample test by folds; None beside the learned judge, which does the same better.

    """

    pieces: int
    phrases: int
    distance: Distance
    floor: Distance
    families: tuple[Family, ...]
    family_distance: Distance
    family_floor: Distance
    two_sample: TwoSample | None


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`bgmusic.music.judging.evaluation.evaluate`.

    The fields that begin with ``floor`` hold the same for training phrases, ``held_out_copying`` for held-out ones.
    ``distance`` is the mean over twelve core statistics, ``family_distance`` the mean over families of all statistics.
    ``judge`` is None if the learned judge was left out. If held-out pieces are too few to tell, ``by_folds`` compares
    with all real pieces, ``faults`` are relative to these, and the verdict is based on both; otherwise it is None.
    """

    phrases: int
    held_out: int
    held_out_pieces: int
    rows: tuple[Row, ...]
    distance: Distance
    floor: Distance
    two_sample: TwoSample
    floor_two_sample: TwoSample
    copying: Copying
    held_out_copying: Copying
    families: tuple[Family, ...]
    family_distance: Distance
    family_floor: Distance
    faults: tuple[Fault, ...]
    judge: Judged | None = None
    by_folds: RealPieces | None = None
    few_pieces: bool = False

    def __str__(self) -> str:
        lines = [f"{self.phrases} phrases compared with {self.held_out} held-out ones"]
        return "\n".join([*lines, *self.verdict()])

    def verdict(self) -> list[str]:
        """Return a summary of the results: families, the worst faults, distance, two-sample test and copying."""
        faults = [str(fault) for fault in self.faults[:_FAULTS]]
        judge = [] if self.judge is None else [str(self.judge)]
        few = [_too_few(self)] if self.few_pieces else []
        tests = [test for test in (_two_sample(self),) if test]
        return [*few, _families(self), *faults, *judge, _distance(self), *tests, _copying(self)]

    def as_dict(self) -> dict[str, Any]:
        """Return all results by name, ready for JSON; NaN becomes None."""
        values: dict[str, Any] = _without_nan(asdict(self) | {"verdict": self.verdict()})
        return values


def _too_few(result: Evaluation) -> str:
    line = f"held-out pieces: {result.held_out_pieces}, too few to tell"
    if result.by_folds is None:
        return f"{line}, as are all real pieces; that no difference is found does not show that there is none"
    return f"{line}; compared by folds with all {result.by_folds.pieces} real pieces, training and held-out"


def _families(result: Evaluation) -> str:
    found = result.by_folds or result
    data, floor = ("others", "real pieces") if result.by_folds else ("held-out pieces", "the training set")
    times = found.family_distance.mean / found.family_floor.mean if found.family_floor.mean else nan
    far = sorted((family for family in found.families if family.differs), key=lambda family: -family.times)
    if not far:
        equal = f"within the intervals as close to {data} as {floor}"
        close = "no family differs clearly" if result.few_pieces else equal
        return f"families: {times:.1f} times the floor; {close}"
    names = ", ".join(f"{family.name} ({family.times:.1f})" for family in far)
    return f"families: {times:.1f} times the floor; farther from {data} than {floor}: {names}"


def _distance(result: Evaluation) -> str:
    found = result.by_folds or result
    times = found.distance.mean / found.floor.mean if found.floor.mean else nan
    line = f"core distance: {times:.1f} times the floor"
    if times <= _CLOSE or found.distance.low <= found.floor.high:
        return f"{line}; no clear difference in the twelve core statistics"
    word = "close to" if times <= 3 else "at some distance from" if times <= 8 else "far from"
    largest = sorted((row for row in result.rows if row.core), key=lambda row: row.floor - row.distance)[:3]
    names = ", ".join(row.name for row in largest)
    return f"{line}; {word} {'real' if result.by_folds else 'held-out'} pieces; largest differences: {names}"


def _two_sample(result: Evaluation) -> str:
    """Describe the two-sample test; "" if the judge replaces it."""
    test, least, data = result.two_sample, result.floor_two_sample.high, "held-out ones"
    if result.by_folds is not None:
        if result.by_folds.two_sample is None:
            return ""
        test, least, data = result.by_folds.two_sample, 0.5, "real ones"
    interval = f"{test.low:.0%} to {test.high:.0%}"
    accuracy = f"a small network classifies {test.accuracy:.0%} of phrases correctly ({interval})"
    if test.low <= max(0.5, least):
        chance = "chance" if result.by_folds else "for training phrases"
        return f"two-sample test: {accuracy}; no better than {chance}"
    word = "easily" if test.accuracy > 0.9 else "often"
    return f"two-sample test: {accuracy}; it {word} distinguishes the phrases from {data}"


def _copying(result: Evaluation) -> str:
    found, usual = result.copying, result.held_out_copying
    copies = f"{found.copies:.0%} of phrases share 80% or more of their notes with a training phrase"
    bars = f"{found.known_bars:.0%} of bars occur in the training set"
    run, usual_run = found.runs[-1], usual.runs[-1]
    runs = f"the longest run of notes from the training set has {run.median:.0f} notes in the median phrase"
    copied = (
        found.copies > usual.copies + 0.1
        or found.known_bars > usual.known_bars + 0.25
        or run.median > _COPIED_RUN * max(usual_run.median, 1)
    )
    return (
        f"copying: {copies} (held-out: {usual.copies:.0%}), {bars} (held-out: {usual.known_bars:.0%}), {runs} "
        f"(held-out: {usual_run.median:.0f}); "
        f"{'parts are copied' if copied else 'no more than in held-out pieces'}"
    )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and isnan(value) else value
