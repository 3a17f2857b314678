"""Edits of a project as JSON commands: ``{"do": "lock", "tracks": [0], "on": true}``. Untrusted input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bgmusic.errors import UserError
from bgmusic.music.midi.song import PLAYABLE_BPM, Table
from bgmusic.studio import notes as tables
from bgmusic.studio import plan_edits
from bgmusic.studio.areas import area, unpack
from bgmusic.studio.state import MAX_BARS, MAX_TAKES, Alternative, Recipe, State, Units, require_bars

_MOST = tables.MAX_NOTES
Whole = Annotated[int, Field(strict=True, ge=0, le=1 << 20)]
Signed = Annotated[int, Field(strict=True, ge=-(1 << 20), le=1 << 20)]
KeyRow = tuple[Whole, Whole, Whole]
NoteRow = tuple[Whole, Whole, Whole, Whole]
Keys = Annotated[list[KeyRow], Field(min_length=1, max_length=_MOST)]
Notes = Annotated[list[NoteRow], Field(max_length=_MOST)]


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def apply(self, state: State) -> State:
        """Return the state after the edit.

        Raises:
            UserError: the edit does not fit the state.

        """
        raise NotImplementedError


class Area(_Edit):
    """Some tracks and beats; all by default."""

    tracks: Annotated[list[Whole], Field(max_length=64)] | None = None
    beats: tuple[Whole, Whole] | None = None

    def units(self, state: State) -> Units:
        """Mark the area's units, boolean ``(tracks, bars * beats)``.

        Raises:
            UserError: there is no such track or beat.

        """
        return area(state, self.tracks, self.beats)


class Add(_Edit):
    """Add notes by the user: rows of track, onset, duration and pitch."""

    do: Literal["add"]
    notes: Annotated[Notes, Field(min_length=1)]

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        added = _table(self.notes, by_user=True)
        tables.require_notes(state.shape, state.bars, added)
        return _edited(state, tables.placed(state.shape, state.notes, added))


class Delete(_Edit):
    """Delete notes, named by track, onset and pitch."""

    do: Literal["delete"]
    notes: Keys

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return _edited(state, state.notes[~tables.chosen(state.notes, self.notes)])


class Move(_Edit):
    """Move notes by steps and semitones, and lengthen them by steps; they become the user's."""

    do: Literal["move"]
    notes: Keys
    steps: Signed = 0
    semitones: Signed = 0
    longer: Signed = 0

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        mask = tables.chosen(state.notes, self.notes)
        rows = [
            (track, onset + self.steps, max(1, duration + self.longer), pitch + self.semitones)
            for track, onset, duration, pitch, _ in state.notes[mask].tolist()
        ]
        if any(onset < 0 or not 0 <= pitch <= 127 for _, onset, _, pitch in rows):
            raise UserError("the notes would leave the piece")
        moved = _table(rows, by_user=True)
        tables.require_notes(state.shape, state.bars, moved)
        return _edited(state, tables.placed(state.shape, state.notes[~mask], moved))


class Own(_Edit):
    """Make notes the user's, which the composer keeps, or give them back to the composer."""

    do: Literal["own"]
    notes: Keys
    on: bool

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        notes = state.notes.copy()
        notes["by_user"][tables.chosen(notes, self.notes)] = self.on
        return replace(state, notes=notes)


class Clear(Area):
    """Delete the notes that begin in an area; kept ones stay."""

    do: Literal["clear"]

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return state.with_notes(state.merged(tables.no_notes(), self.units(state)))


class Lock(Area):
    """Lock or unlock an area."""

    do: Literal["lock"]
    on: bool

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        units = self.units(state)
        return replace(state, locks=state.locks | units if self.on else state.locks & ~units)


class Decide(_Edit):
    """Decide on a switch of the plan, or leave it to the composer (null).

    ``instruments``: true or false; ``form``: the number of the bar that is repeated, from 0; ``activity``: 0 to 8.
    """

    do: Literal["decide"]
    part: Literal["instruments", "form", "activity"]
    track: Whole
    bar: Whole
    value: bool | Whole | None

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return plan_edits.decide(state, self.part, self.track, self.bar, self.value)


class Chord(_Edit):
    """Decide on the chord of some beats by its name, or leave it to the composer (null)."""

    do: Literal["chord"]
    beats: tuple[Whole, Whole]
    name: Annotated[str, Field(max_length=60)] | None

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return plan_edits.chord(state, self.beats, self.name)


class Chords(_Edit):
    """Decide on the chords of whole bars by a line: ``C | Am | F G | C``. A longer line lengthens the piece.

    ``loose``: only on the beats where they begin, and on the first of each bar.
    """

    do: Literal["chords"]
    line: Annotated[str, Field(max_length=20_000)]
    bar: Whole = 0
    loose: bool = False

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return plan_edits.chords(state, self.line, self.bar, self.loose)


class Key(_Edit):
    """Decide on the key of the piece by its name, or leave it to the composer (null)."""

    do: Literal["key"]
    name: Annotated[str, Field(max_length=20)] | None

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return plan_edits.key(state, self.name)


class Ending(_Edit):
    """Decide that the piece ends: the dominant, then one tonic chord that is held in the last bar."""

    do: Literal["ending"]

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return plan_edits.ending(state)


class Bars(_Edit):
    """Change the number of bars; notes, locks and decisions behind the end go."""

    do: Literal["bars"]
    bars: Annotated[int, Field(strict=True, ge=1, le=MAX_BARS)]

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return plan_edits.with_bars(state, self.bars)


class Tempo(_Edit):
    """Change the tempo, in beats per minute."""

    do: Literal["tempo"]
    bpm: Annotated[float, Field(ge=PLAYABLE_BPM[0], le=PLAYABLE_BPM[1], allow_inf_nan=False)]

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return replace(state, bpm=self.bpm)


class Title(_Edit):
    """Change the title."""

    do: Literal["title"]
    title: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        return replace(state, title=self.title)


class Take(_Edit):
    """Take over what was composed: the notes of the free units. The piece becomes an alternative.

    ``seed`` gives the same notes again from the state before; without it, something was edited meanwhile.
    """

    do: Literal["take"]
    notes: Notes
    free: Annotated[str, Field(max_length=100_000)]
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] | None = None

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        free = unpack(self.free, state.locks.shape) & ~state.kept
        found = _composed(state, self.notes)
        after = state.with_notes(state.merged(found, free))
        recipe = None
        if self.seed is not None:
            recipe = Recipe(self.seed, free, state.merged(tables.no_notes(), free), state.decided)
        takes = [*state.takes] if state.takes or not len(state.notes) else [Alternative(state.notes)]
        if len(takes) == MAX_TAKES:
            del takes[0]
        takes.append(Alternative(after.notes, recipe))
        return replace(after, takes=tuple(takes), shown=len(takes) - 1, composed=state.composed + 1)


class Show(_Edit):
    """Show an alternative; what is kept stays. ``keep``: so does the one before as edited (not in older projects)."""

    do: Literal["show"]
    take: Whole
    keep: bool = False

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        if self.take >= len(state.takes):
            raise UserError(f"there is no alternative {self.take + 1}")
        before = state.with_edited_take() if self.keep else state
        found = before.merged(before.takes[self.take].notes, np.ones_like(state.locks))
        return replace(before.with_notes(found), shown=self.take)


class Load(_Edit):
    """Replace the piece by other notes; the tracks that are given are locked, or all of them before ``more`` bars."""

    do: Literal["load"]
    notes: Notes
    bars: Annotated[int, Field(strict=True, ge=1, le=MAX_BARS)]
    bpm: Annotated[float, Field(ge=PLAYABLE_BPM[0], le=PLAYABLE_BPM[1], allow_inf_nan=False)]
    title: Annotated[str, Field(max_length=200)] = ""
    given: Annotated[list[Whole], Field(max_length=64)] = []
    more: Annotated[int, Field(strict=True, ge=0, lt=MAX_BARS)] = 0

    def apply(self, state: State) -> State:
        """See ``_Edit.apply``."""
        bars = require_bars(self.bars + self.more)
        empty = replace(State.new(state.generator, state.shape, bars), composed=state.composed)
        loaded = replace(empty, notes=_composed(empty, self.notes), bpm=self.bpm, title=self.title)
        before = (0, self.bars * state.shape.beats)
        if self.given:
            return replace(loaded, locks=area(loaded, self.given, None))
        return replace(loaded, locks=area(loaded, None, before)) if self.more else loaded


_Notes = Add | Delete | Move | Own | Clear | Take | Show | Load
_Decisions = Lock | Decide | Chord | Chords | Key | Ending | Bars | Tempo | Title
Edit = Annotated[_Notes | _Decisions, Field(discriminator="do")]
_EDIT: TypeAdapter[Any] = TypeAdapter(Edit)


def read_edit(values: Any) -> _Edit:
    """Make an edit of untrusted values.

    Raises:
        UserError: they are no edit.

    """
    try:
        edit: _Edit = _EDIT.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:80]
        raise UserError(f"no edit: {where}: {first['msg'][:200]}") from None
    return edit


def _table(rows: Sequence[tuple[int, int, int, int]], by_user: bool) -> Table:
    if any(track > 255 or pitch > 127 for track, _, _, pitch in rows):
        raise UserError("a note has a track and a pitch from 0 to 127")
    return np.array([(*row, by_user) for row in rows], tables.NOTE)


def _composed(state: State, rows: Sequence[tuple[int, int, int, int]]) -> Table:
    """Return untrusted notes of the composer, checked and without overlaps."""
    found = _table(rows, by_user=False)
    tables.require_notes(state.shape, state.bars, found)
    return tables.placed(state.shape, tables.no_notes(), found)


def _edited(state: State, notes: Table) -> State:
    """Return the state with notes that the user edited.

    Raises:
        UserError: a note in a locked unit would change.

    """
    before, after = ({row[:4] for row in some.tolist()} for some in (state.notes, notes))
    changed = np.array([(*row, False) for row in before ^ after], tables.NOTE)
    if tables.touches(state.shape, changed, state.locks).any():
        raise UserError("this is locked: unlock it first")
    return state.with_notes(notes)
