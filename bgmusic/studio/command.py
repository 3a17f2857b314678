"""A composition as a command line: the command, and the files that it reads."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from bgmusic.errors import UserError
from bgmusic.music.composing.planned import Wishes, wished_plan
from bgmusic.music.plans.lead_sheet import write_line
from bgmusic.music.plans.plan import Plan
from bgmusic.music.plans.roman import key_name
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.spelling import plan_spelling
from bgmusic.studio.free_units import write_free
from bgmusic.studio.state import Recipe, State

GIVEN, PLAN = "given.mid", "plan.json"
"""Files that a command may need, as suffixes of the piece's name."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONGEST = 2000  # characters of the options of a plan; a longer one is a file


@dataclass(frozen=True)
class Command:
    """How the command line makes a piece.

    Attributes:
        line: the command.
        files: suffixes of the files that it reads, :data:`GIVEN` and :data:`PLAN`.

    """

    line: str
    files: tuple[str, ...] = ()


def stem_of(title: str) -> str:
    """Return the name of a piece's files without suffix."""
    return re.sub(r"[^\w-]+", "-", title).strip("-")[:60] or "piece"


def command_of(state: State, run: str, alone: bool) -> Command:
    """Return the command that composes the notes of a state again.

    Args:
        state: the project.
        run: path or name of its composer.
        alone: whether it composes under plans and has no planner beside it, which ``bgmusic compose`` would ask.

    Raises:
        UserError: no command makes these notes; the message says why.

    """
    recipe = state.recipe
    if recipe is None:
        raise UserError(
            "notes were edited after they were composed, and no command makes those; save the project instead"
            if state.composed
            else "nothing is composed yet"
        )
    decides = recipe.decided != Plan.unknown(recipe.decided.shape)
    words, files = [run], []
    if decides:
        options = plan_options(recipe.decided)
        if options is None:
            files.append(PLAN)
            options = ["--plan", f"{stem_of(state.title)}.{PLAN}"]
        words += options
    whole = bool(recipe.free.all())
    if len(recipe.given):
        files.append(GIVEN)
        words += ["--given", f"{stem_of(state.title)}.{GIVEN}"]
    if decides or not whole:
        words = ["compose", *words, "--bars", str(state.bars)]
        if not whole:
            words += ["--free", write_free(recipe.free, recipe.decided.shape)]
        elif not alone:
            words += ["--free", "all"]
    else:
        words = ["generate", *words, "-n", "1"]
        if state.bars != state.shape.bars:
            words += ["--bars", str(state.bars)]
    words += ["--seed", str(recipe.seed)]
    if state.bpm != state.shape.bpm:
        words += ["--bpm", f"{state.bpm:g}"]
    return Command(shlex.join(["bgmusic", *words]), tuple(files))


def given_state(state: State) -> State:
    """Return the project with the notes that its composition was given.

    Raises:
        UserError: it was edited since, or not composed.

    """
    return state.with_notes(_recipe(state).given)


def composed_plan(state: State) -> Plan:
    """Return the plan of its composition, settled; raises as :func:`given_state` does."""
    return settle(_recipe(state).decided)


def _recipe(state: State) -> Recipe:
    if state.recipe is None:
        raise UserError("nothing is composed, or notes were edited since")
    return state.recipe


def _chords(plan: Plan) -> str:
    return write_line(plan.harmony, plan.harmony_known, plan.shape.beats, plan_spelling(plan))


def plan_options(plan: Plan) -> list[str] | None:
    """Write a plan as options of ``bgmusic compose``; None if they would be very long, or say something else."""
    shape = plan.shape
    wishes = {
        "key": key_name(plan),
        "chords": _chords(plan) if plan.harmony_known.any() else None,
        "form": _of_tracks(shape, [_form(row) for row in plan.repeats.tolist()]),
        "instruments": _of_tracks(shape, [
            _each(known, ["x" if on else "-" for on in row], "")
            for known, row in zip(plan.instruments_known.tolist(), plan.instruments.tolist(), strict=True)
        ]),
        "activity": _of_tracks(shape, [
            _each(known, [str(level) for level in row], " ")
            for known, row in zip(plan.activity_known.tolist(), plan.activity.sum(-1).tolist(), strict=True)
        ]),
    }  # fmt: skip
    said: dict[str, Any] = {name: text for name, text in wishes.items() if text is not None}
    try:
        read = wished_plan(shape, Wishes(bars=shape.bars, **said))
    except UserError:
        return None
    if read != settle(plan) or sum(map(len, said.values())) > _LONGEST:
        return None
    return [word for name, text in said.items() for word in (f"--{name}", text)]


def _each(known: list[bool], values: list[str], between: str) -> str | None:
    """Join the values of bars, ``?`` where they are unknown; None if all are."""
    if not any(known):
        return None
    return between.join(value if sure else "?" for sure, value in zip(known, values, strict=True))


def _form(repeats: list[int]) -> str | None:
    """Write the bars that one track repeats as letters; -1 is unknown."""
    firsts = sorted({first for first in repeats if first >= 0})
    if not firsts or len(firsts) > len(_LETTERS):
        return None
    letters = dict(zip(firsts, _LETTERS, strict=False))
    return "".join(letters.get(first, "?") for first in repeats)


def _of_tracks(shape: PlanShape, values: list[str | None]) -> str | None:
    """Join what is said of each track; the same of all is said once."""
    if len(set(values)) == 1:
        return values[0]
    return ", ".join(f"{name}:{value}" for name, value in zip(shape.tracks, values, strict=True) if value is not None)
