"""docs/estimators.md: its program runs, and its table lists every estimator."""

import re
from pathlib import Path

from bgmusic.neurons import ESTIMATORS, SCORE_FUNCTIONS

NOTES = (Path(__file__).parents[2] / "docs" / "estimators.md").read_text()


def test_its_program_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", NOTES, re.DOTALL)
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102 (our own page)
    assert names["logits"].grad is not None  # type: ignore[attr-defined]
    assert names["bits"].shape == (32, 8)  # type: ignore[attr-defined]


def test_every_estimator_is_measured() -> None:
    measured = set(re.findall(r"^\| ([a-z-]+) \|", NOTES, re.MULTILINE))
    assert measured >= set(ESTIMATORS) | set(SCORE_FUNCTIONS) - {"exact"}
