"""Project files: the first state and all edits, as gzip'd JSON. A file that is opened is untrusted input."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.midi.song import PLAYABLE_BPM, Table
from bgmusic.music.plans.plan import Plan
from bgmusic.music.rolls.shape import RollShape
from bgmusic.studio import notes as tables
from bgmusic.studio.areas import pack, unpack
from bgmusic.studio.history import History
from bgmusic.studio.state import MAX_BARS, MAX_TAKES, Alternative, Recipe, State
from bgmusic.yaml import Config, validate

SUFFIX = ".bgstudio"
LARGEST = 32 << 20
"""Bytes of a file."""
_LARGEST_TEXT = 256 << 20
_Row = tuple[int, int, int, int, bool]
_Rows = Annotated[list[_Row], Field(max_length=tables.MAX_NOTES)]
_Decided = dict[str, Annotated[str, Field(max_length=1_000_000)]]


class _Recipe(Config):
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    free: Annotated[str, Field(max_length=100_000)]
    given: _Rows
    decided: _Decided


class _State(Config):
    generator: Annotated[str, Field(max_length=1000)]
    shape: RollShape
    bars: Annotated[int, Field(ge=1, le=MAX_BARS)]
    bpm: Annotated[float, Field(ge=PLAYABLE_BPM[0], le=PLAYABLE_BPM[1], allow_inf_nan=False)]
    title: Annotated[str, Field(max_length=200)]
    notes: _Rows
    locks: Annotated[str, Field(max_length=100_000)]
    decided: _Decided
    takes: Annotated[list[_Rows], Field(max_length=MAX_TAKES)]
    shown: Annotated[int, Field(ge=-1, lt=MAX_TAKES)]
    composed: Annotated[int, Field(ge=0, le=1 << 40)]
    recipes: Annotated[list[_Recipe | None], Field(max_length=MAX_TAKES)] | None = None
    seed: int | None = None  # of files until 2026-11-28


class _File(Config):
    format: Literal["bgmusic studio project"]
    version: Literal[1]
    first: _State
    edits: Annotated[list[dict[str, Any]], Field(max_length=1_000_000)]
    at: Annotated[int, Field(ge=0)]


def project_bytes(history: History) -> bytes:
    """Return a project as the content of a file. The same project gives the same bytes."""
    values = {
        "format": "bgmusic studio project",
        "version": 1,
        "first": _state_values(history.first),
        "edits": list(history.edits()),
        "at": history.undos,
    }
    return gzip.compress(json.dumps(values, separators=(",", ":")).encode(), 6, mtime=0)


def write_project(history: History, path: str | Path) -> None:
    """Write a project to a file, atomically.

    Raises:
        OSError: the file can't be written.

    """
    write_bytes(path, project_bytes(history))


def read_project(content: bytes, source: str = "project") -> History:
    """Read a project from the content of a file.

    Raises:
        UserError: it is no project, or damaged, or too large.

    """
    if len(content) > LARGEST:
        raise UserError(f"{source}: {len(content):,} bytes are too large for a project")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            text = file.read(_LARGEST_TEXT + 1)
        if len(text) > _LARGEST_TEXT:
            raise UserError(f"{source}: too large for a project")
        values = json.loads(text)
    except (OSError, EOFError, zlib.error, ValueError, RecursionError):
        raise UserError(f"{source}: no project of the studio") from None
    found = validate(_File, values, source)
    try:
        return History.replay(_state(found.first), found.edits, found.at)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def _state_values(state: State) -> dict[str, Any]:
    return {
        "generator": state.generator,
        "shape": shape_values(state.shape),
        "bars": state.bars,
        "bpm": state.bpm,
        "title": state.title,
        "notes": state.notes.tolist(),
        "locks": pack(state.locks),
        "decided": _decided_values(state.decided),
        "takes": [take.notes.tolist() for take in state.takes],
        "shown": state.shown,
        "composed": state.composed,
        "recipes": [_recipe_values(take.recipe) for take in state.takes],
    }


def _decided_values(decided: Plan) -> dict[str, str]:
    return {name: pack(bits) for name, bits in decided.arrays().items()}


def _recipe_values(recipe: Recipe | None) -> dict[str, Any] | None:
    if recipe is None:
        return None
    decided = _decided_values(recipe.decided)
    return {"seed": recipe.seed, "free": pack(recipe.free), "given": recipe.given.tolist(), "decided": decided}


def shape_values(shape: RollShape) -> dict[str, Any]:
    """Return a shape as plain values."""
    return {
        "track_set": shape.track_set.to_dict(),
        "resolution": shape.resolution,
        "bars": shape.bars,
        "steps": shape.steps,
        "encoding": shape.encoding,
        "metre": shape.metre,
        "bpm": shape.bpm,
    }


def _state(values: _State) -> State:
    state = replace(
        State.new(values.generator, values.shape, values.bars),
        bpm=values.bpm,
        title=values.title,
        shown=values.shown,
        composed=values.composed,
    )
    if values.shown >= len(values.takes):
        raise UserError("there is no such alternative")
    state = replace(state, locks=unpack(values.locks, state.locks.shape), decided=_plan(state, values.decided))
    recipes = values.recipes or [None] * len(values.takes)
    if len(recipes) != len(values.takes):
        raise UserError("the recipes do not fit the alternatives")
    takes = tuple(
        Alternative(_notes(state, rows), None if recipe is None else _recipe(state, recipe))
        for rows, recipe in zip(values.takes, recipes, strict=True)
    )
    return replace(state, notes=_notes(state, values.notes), takes=takes)


def _plan(state: State, decided: dict[str, str]) -> Plan:
    blank = state.decided.arrays()
    # Projects of earlier versions have no key.
    decided = {name: pack(blank[name]) for name in ("key", "key_known")} | decided
    if decided.keys() != blank.keys():
        raise UserError("the decisions do not fit the piece")
    return Plan(state.decided.shape, **{name: unpack(text, blank[name].shape) for name, text in decided.items()})


def _recipe(state: State, recipe: _Recipe) -> Recipe:
    free = unpack(recipe.free, state.locks.shape)
    return Recipe(recipe.seed, free, _notes(state, recipe.given), _plan(state, recipe.decided))


def _notes(state: State, rows: list[_Row]) -> Table:
    if any(not (0 <= track < 256 and 0 <= pitch < 128 and max(onset, duration) < 1 << 30 and min(onset, duration) >= 0)
           for track, onset, duration, pitch, _ in rows):  # fmt: skip
        raise UserError("a note is out of range")
    found = np.array(rows, tables.NOTE)
    tables.require_notes(state.shape, state.bars, found)
    return tables.placed(state.shape, tables.no_notes(), found)
