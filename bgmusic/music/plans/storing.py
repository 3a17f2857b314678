"""Plans as JSON files that people can read and edit::

    {
      "format": "bgmusic plan",
      "version": 1,
      "bars": 4,
      "beats": 4,
      "key": "C",
      "harmony": ["C", "Am", "F G", "?"],
      "tracks": [
        {"name": "Piano", "drums": false, "form": [1, 2, 1, null], "instruments": "xx-?", "activity": [4, 4, 0, null]}
      ]
    }

``harmony`` has the chords of each bar, as on lead sheets; ``form`` the number of the bar, from 1, that each bar
repeats; ``instruments`` ``x`` or ``-``; ``activity`` the number of levels, 0 to 8. ``?`` and null are unknown, as are
parts that are left out, and the key.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from bgmusic.errors import UserError
from bgmusic.files import write_text
from bgmusic.music.plans.lead_sheet import parse_line, write_bar
from bgmusic.music.plans.plan import Bits, Plan
from bgmusic.music.plans.roman import key_name, key_number, parse_key
from bgmusic.music.plans.settle import settle
from bgmusic.music.plans.shape import LEVELS, MAX_BARS, PlanShape
from bgmusic.music.plans.spelling import plan_spelling
from bgmusic.yaml import Config

FORMAT, VERSION = "bgmusic plan", 1
_LARGEST = 4_000_000  # bytes; 64 tracks of 1024 bars have half of that
_MANY = 64


class _Track(Config):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    drums: bool = False
    form: Annotated[list[Annotated[int, Field(strict=True, ge=1)] | None], Field(max_length=MAX_BARS)] | None = None
    instruments: Annotated[str, Field(pattern="^[-x?]*$", max_length=MAX_BARS)] | None = None
    activity: (
        Annotated[list[Annotated[int, Field(strict=True, ge=0, le=len(LEVELS))] | None], Field(max_length=MAX_BARS)]
        | None
    ) = None


class _File(Config):
    format: Literal["bgmusic plan"]
    version: Literal[1]
    bars: Annotated[int, Field(strict=True, ge=1, le=MAX_BARS)]
    beats: Annotated[int, Field(strict=True, ge=1)]
    key: Annotated[str, Field(max_length=20)] | None = None
    harmony: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=MAX_BARS)] | None = None
    tracks: Annotated[list[_Track], Field(min_length=1, max_length=_MANY)]


_ALLOWED = {
    "format": json.dumps(FORMAT),
    "version": str(VERSION),
    "bars": f"a whole number from 1 to {MAX_BARS}",
    "beats": "a whole number, 1 or more",
    "key": 'a key, such as "C" or "F# minor"',
    "harmony": 'the chords of each bar as text, such as "F G", or "?"',
    "tracks": f"a list of 1 to {_MANY} tracks, each with its name",
    "name": "a text of 1 to 200 characters",
    "drums": "true or false",
    "form": "the number of the bar that it repeats, from 1, or null",
    "instruments": "x (plays), - (silent) or ? (open) for each bar",
    "activity": f"a level from 0 to {len(LEVELS)}, or null",
}


def write_plan(plan: Plan, path: str | Path) -> None:
    """Write a plan to a JSON file, atomically.

    Raises:
        OSError: the file can't be written.

    """
    write_text(path, plan_json(plan))


def read_plan(path: str | Path) -> Plan:
    """Read a plan from a JSON file, which is untrusted.

    Raises:
        UserError: it is no plan, or contradicts itself.
        OSError: the file can't be read.

    """
    with Path(path).open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UserError(f"{path}: larger than {_LARGEST:,} bytes, too large for a plan")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        line = f" in line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{path}: a plan is a JSON file, but this is not valid JSON{line}") from None
    return plan_from_dict(values, str(path))


def plan_json(plan: Plan) -> str:
    """Return a plan as JSON text, one line for each track."""
    values = plan_to_dict(plan)
    tracks = ",\n".join("    " + json.dumps(track, ensure_ascii=False) for track in values.pop("tracks"))
    lines = [f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "{\n" + ",\n".join(lines) + ',\n  "tracks": [\n' + tracks + "\n  ]\n}\n"


def plan_to_dict(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values, ready for JSON; :func:`plan_from_dict` is the inverse."""
    shape = plan.shape
    harmony = plan.harmony.reshape(shape.bars, shape.beats, -1)
    known = plan.harmony_known.reshape(shape.bars, shape.beats)
    tracks = []
    for number, (name, drums) in enumerate(zip(shape.tracks, shape.drums, strict=True)):
        repeats = [None if bar < 0 else bar + 1 for bar in plan.repeats[number].tolist()]
        pairs = zip(plan.instruments_known[number].tolist(), plan.instruments[number].tolist(), strict=True)
        sums = zip(plan.activity_known[number].tolist(), plan.activity[number].sum(-1).tolist(), strict=True)
        tracks.append(
            {
                "name": name,
                "drums": drums,
                "form": repeats,
                "instruments": "".join(("x" if on else "-") if sure else "?" for sure, on in pairs),
                "activity": [level if sure else None for sure, level in sums],
            }
        )
    key, names = key_name(plan), plan_spelling(plan)
    return {
        "format": FORMAT,
        "version": VERSION,
        "bars": shape.bars,
        "beats": shape.beats,
        **({} if key is None else {"key": key}),
        "harmony": [write_bar(harmony[bar], known[bar], names) for bar in range(shape.bars)],
        "tracks": tracks,
    }


def plan_from_dict(values: Any, source: str = "plan") -> Plan:
    """Make a plan of untrusted values, and settle it.

    Args:
        values: as of :func:`plan_to_dict`.
        source: where they come from, for error messages.

    Raises:
        UserError: they are no plan, or contradict themselves.

    """
    try:
        file = _File.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {_explain(error, values)}") from None
    try:
        names, drums = (tuple(getattr(track, key) for track in file.tracks) for key in ("name", "drums"))
        shape = PlanShape(names, drums, file.bars, file.beats)
        arrays = {name: bits.copy() for name, bits in Plan.unknown(shape).arrays().items()}
        for number, track in enumerate(file.tracks):
            _read_track(shape, number, track, arrays)
        if file.key is not None:
            arrays["key"][0, key_number(parse_key(file.key))] = arrays["key_known"][:] = True
        if file.harmony is not None:
            _require_bars(shape, len(file.harmony), "harmony")
            line = " | ".join(file.harmony)
            arrays["harmony"], arrays["harmony_known"] = parse_line(line, shape.beats)
            _require_bars(shape, len(arrays["harmony"]) // shape.beats, "harmony")
        return settle(Plan(shape, **arrays))
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def _explain(error: ValidationError, values: Any) -> str:
    """Say what is wrong first: part, track and bar (from 1), and what is allowed there."""
    problem = error.errors(include_url=False, include_context=False)[0]
    place, value = list(problem["loc"]), problem["input"]
    if not place:
        return f"a plan has the parts {', '.join(_File.model_fields)}"
    track = ""
    if len(place) > 2 and place[0] == "tracks":
        number = int(place[1])
        name = values["tracks"][number].get("name")
        track = f" of {name[:40]}" if isinstance(name, str) and name else f" of track {number + 1}"
        place = place[2:]
    part = str(place[0])
    if part not in _ALLOWED:
        return f"{part[:40]!r}{track} is no part of a plan: remove it"
    if problem["type"] == "missing":
        return f"{part}{track} is missing: write {_ALLOWED[part]}"
    bar = place[1] if len(place) > 1 and part != "tracks" else None
    if part == "instruments" and isinstance(value, str):
        bar = next((number for number, sign in enumerate(value) if sign not in "-x?"), None)
        value = value if bar is None else value[bar]
    where = "" if bar is None else f", bar {int(bar) + 1}"
    found = f"{len(value)} values" if isinstance(value, list | dict) else json.dumps(value, default=repr)[:40]
    return f"{part}{track}{where}: write {_ALLOWED[part]}, not {found}"


def _read_track(shape: PlanShape, number: int, track: _Track, arrays: dict[str, Bits]) -> None:
    if track.form is not None:
        _require_bars(shape, len(track.form), f"form of {track.name[:40]}")
        for bar, original in enumerate(track.form):
            if original is None:
                continue
            if original > bar + 1:
                raise UserError(f"form of {track.name[:40]}: bar {bar + 1} can't repeat bar {original}, which is later")
            first = track.form[original - 1]
            if first is not None and first != original:
                raise UserError(
                    f"form of {track.name[:40]}: bar {bar + 1} repeats bar {original}, which repeats bar {first}: "
                    f"write {first}"
                )
            arrays["form"][number, bar, original - 1] = arrays["form_known"][number, bar] = True
    if track.instruments is not None:
        _require_bars(shape, len(track.instruments), f"instruments of {track.name[:40]}")
        signs = np.array(list(track.instruments))
        arrays["instruments"][number], arrays["instruments_known"][number] = signs == "x", signs != "?"
    if track.activity is not None:
        _require_bars(shape, len(track.activity), f"activity of {track.name[:40]}")
        levels = np.array([-1 if level is None else level for level in track.activity])
        arrays["activity"][number] = np.arange(len(LEVELS)) < levels[:, None]
        arrays["activity_known"][number] = levels >= 0
        silent = arrays["instruments_known"][number] & ~arrays["instruments"][number] & (levels > 0)
        if silent.any():
            raise UserError(f"{track.name[:40]}: bar {int(silent.argmax()) + 1} is silent, but has activity")


def _require_bars(shape: PlanShape, found: int, what: str) -> None:
    if found != shape.bars:
        raise UserError(f"{what}: {found} bars, but the plan has {shape.bars}")
