"""Several trainings at once, each in a process and a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch


def run_named(trainings: Mapping[str, Callable[[], str]], jobs: int) -> Iterator[tuple[str, str]]:
    """Run trainings in processes of one thread each; names and how they ended, in the order in which they end.

    Args:
        trainings: what to call, by name, the longest first; picklable, and so is what they are given.
        jobs: processes. A single one is this: once a training was interrupted, no further one begins.

    """
    if jobs == 1:
        threads = torch.get_num_threads()
        try:
            for name, training in trainings.items():
                _, how = _one(name, training)
                yield name, how
                if how == "interrupted":
                    return
        finally:
            torch.set_num_threads(threads)
        return
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_one)(name, training) for name, training in trainings.items()
    )


def _one(name: str, training: Callable[[], str]) -> tuple[str, str]:
    torch.set_num_threads(1)
    return name, training()
