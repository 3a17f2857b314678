"""What the neurons' tests share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from bgmusic.neurons import kernel


@contextmanager
def _without() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "_LIBRARY", None)
        yield


@pytest.fixture
def without_kernel() -> Callable[[], AbstractContextManager[None]]:
    """A context in which torch alone draws and decides, as it does in compiled graphs."""
    return _without
