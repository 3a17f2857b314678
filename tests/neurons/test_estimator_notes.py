"""Tests of the pages on estimators: the program of the guide runs, and both pages list every estimator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgmusic.neurons import ESTIMATORS, SCORE_FUNCTIONS

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide" / "estimators.md").read_text(encoding="utf-8")
NOTES = (DOCS / "notes" / "estimators.md").read_text(encoding="utf-8")


def test_program_of_the_guide_runs() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102 (our own page)
    assert names["logits"].grad is not None  # type: ignore[attr-defined]
    assert names["bits"].shape == (32, 8)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) | set(SCORE_FUNCTIONS)))
def test_every_estimator_is_listed(name: str) -> None:
    assert f"`{name}`" in GUIDE
    assert name == "exact" or f"| {name} |" in NOTES
