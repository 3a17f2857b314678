"""Several trainings at once, or one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from bgmusic.gan.parallel import run_named


def ends(how: str) -> Callable[[], str]:
    return partial(str, how)


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_is_told_by_its_name(jobs: int) -> None:
    threads = torch.get_num_threads()
    ended = dict(run_named({"a": ends("finished"), "b": ends("there already")}, jobs))
    assert ended == {"a": "finished", "b": "there already"}
    assert torch.get_num_threads() == threads


def test_after_an_interruption_no_further_one_begins() -> None:
    trainings = {"a": ends("finished"), "b": ends("interrupted"), "c": ends("finished")}
    assert list(run_named(trainings, 1)) == [("a", "finished"), ("b", "interrupted")]
