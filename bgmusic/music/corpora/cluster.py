"""Run tasks on a Dask cluster, through joblib.

Entries are sent as bytes, so the workers need no shared disk. Only the music21 and muspy sources read files on the
workers, which must then have them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from bgmusic.errors import UserError

CONNECT_SECONDS = 10
Result = TypeVar("Result")


def run_on_cluster(
    function: Callable[..., Result], tasks: Iterator[Any], settings: Any, scheduler: str
) -> Iterator[Result]:
    """Yield ``function(task, settings)`` for every task, in order, computed on the cluster at ``scheduler``.

    Raises:
        UserError: Dask is not installed, or no scheduler answers at that address.

    """
    from joblib import Parallel, delayed, parallel_config

    try:
        from distributed import Client
    except ImportError:
        raise UserError("Dask is not installed: pip install 'bgmusic[dask]'") from None
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"no Dask scheduler answers at {scheduler!r}: {reason}") from None
    with client:
        count = max(1, sum(client.nthreads().values()))
        with parallel_config(backend="dask", client=client):
            parallel = Parallel(n_jobs=count, return_as="generator", pre_dispatch=2 * count, batch_size=1)
            yield from parallel(delayed(function)(task, settings) for task in tasks)
