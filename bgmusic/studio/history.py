"""The edits of a project, to undo and redo them. States between checkpoints are replayed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any

from bgmusic.errors import UserError
from bgmusic.studio.edits import read_edit
from bgmusic.studio.state import State

EVERY = 32
"""Edits from one checkpoint to the next."""
MOST_BYTES = 64 << 20
"""Compressed edits that are kept; of a longer history the oldest are forgotten."""


class History:
    """A first state, the edits after it, and the place in them.

    Args:
        first: the state before all edits.

    """

    def __init__(self, first: State) -> None:
        self._checkpoints = [first]  # before edit 0, EVERY, 2 * EVERY, ...
        self._edits: list[bytes] = []
        self._size = 0
        self._at = 0
        self._state = first

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def first(self) -> State:
        """The state before all edits."""
        return self._checkpoints[0]

    @property
    def undos(self) -> int:
        """How many edits can be undone."""
        return self._at

    @property
    def redos(self) -> int:
        """How many edits can be redone."""
        return len(self._edits) - self._at

    def edits(self) -> Iterator[Any]:
        """Yield the edits as plain values, those that are undone too."""
        for packed in self._edits:
            yield json.loads(zlib.decompress(packed))

    def apply(self, values: Any) -> State:
        """Apply an edit; edits that were undone are forgotten.

        Raises:
            UserError: it is no edit, or does not fit; nothing has changed then.

        """
        state = read_edit(values).apply(self._state)
        self._cut(self._at)
        packed = zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)
        self._edits.append(packed)
        self._size += len(packed)
        self._state, self._at = state, self._at + 1
        if self._at % EVERY == 0:
            self._checkpoints.append(state)
        while self._size > MOST_BYTES and len(self._edits) > 2 * EVERY:
            self._forget()
        return state

    def copy(self) -> History:
        """Return a history that goes its own way from here; states and edits are shared."""
        copied = copy(self)
        copied._checkpoints, copied._edits = self._checkpoints.copy(), self._edits.copy()
        return copied

    def undo(self) -> State:
        """Undo the last edit.

        Raises:
            UserError: there is none.

        """
        if not self._at:
            raise UserError("there is nothing to undo")
        return self._go(self._at - 1)

    def redo(self) -> State:
        """Redo the edit that was undone last.

        Raises:
            UserError: there is none.

        """
        if self._at == len(self._edits):
            raise UserError("there is nothing to redo")
        return self._go(self._at + 1)

    @staticmethod
    def replay(first: State, edits: Sequence[Any], at: int) -> History:
        """Replay untrusted edits, and go to a place in them.

        Raises:
            UserError: an edit does not fit, or there is no such place.

        """
        history = History(first)
        for number, values in enumerate(edits, start=1):
            try:
                history.apply(values)
            except UserError as error:
                raise UserError(f"edit {number}: {error}") from None
        if not 0 <= at <= len(edits):
            raise UserError(f"there is no place {at} in {len(edits)} edits")
        forgotten = len(edits) - len(history._edits)
        history._go(max(0, at - forgotten))
        return history

    def _go(self, place: int) -> State:
        number = place // EVERY
        state = self._checkpoints[number]
        for packed in self._edits[number * EVERY : place]:
            state = read_edit(json.loads(zlib.decompress(packed))).apply(state)
        self._state, self._at = state, place
        return state

    def _cut(self, place: int) -> None:
        self._size -= sum(map(len, self._edits[place:]))
        del self._edits[place:]
        del self._checkpoints[place // EVERY + 1 :]

    def _forget(self) -> None:
        """Forget the edits before the second checkpoint."""
        self._size -= sum(map(len, self._edits[:EVERY]))
        del self._edits[:EVERY]
        del self._checkpoints[0]
        self._at -= EVERY
