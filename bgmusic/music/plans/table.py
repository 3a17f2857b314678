"""Show a plan as a table of text: bars as columns, chords and tracks as rows."""

from __future__ import annotations

from bgmusic.music.plans.lead_sheet import OPEN, write_bar
from bgmusic.music.plans.plan import Plan
from bgmusic.music.plans.roman import key_name
from bgmusic.music.plans.spelling import plan_spelling

SILENT = "-"
LEGEND = "letters: equal bars of a track; numbers: activity, 0 to 8, x: plays; -: silent; ?: open"


def table(plan: Plan, width: int = 100) -> str:
    """Return the plan as lines of text.

    Each cell of a track has a letter, the same for equal bars, and the level of activity.

    Args:
        plan: the plan.
        width: characters of a line; more bars go to further blocks of lines.

    """
    shape = plan.shape
    harmony = plan.harmony.reshape(shape.bars, shape.beats, -1)
    known = plan.harmony_known.reshape(shape.bars, shape.beats)
    rows = [("bar", [str(bar + 1) for bar in range(shape.bars)])]
    if shape.pitched:
        names = plan_spelling(plan)
        rows.append(("chords", [write_bar(harmony[bar], known[bar], names) for bar in range(shape.bars)]))
    rows += [(_printable(name), _cells(plan, track)) for track, name in enumerate(shape.tracks)]
    head = max(len(name) for name, _ in rows)
    widths = [max(len(cells[bar]) for _, cells in rows) for bar in range(shape.bars)]
    blocks, start = [], 0
    while start < shape.bars:
        stop, used = start, head
        while stop < shape.bars and (stop == start or used + 2 + widths[stop] <= width):
            used += 2 + widths[stop]
            stop += 1
        lines = []
        for name, cells in rows:
            parts = (cells[bar].ljust(widths[bar]) for bar in range(start, stop))
            lines.append("  ".join([name.ljust(head), *parts]).rstrip())
        blocks.append("\n".join(lines))
        start = stop
    key = key_name(plan)
    return ("" if key is None else f"key {key}\n") + "\n\n".join(blocks)


def _cells(plan: Plan, track: int) -> list[str]:
    letters: dict[int, str] = {}
    cells = []
    for bar, original in enumerate(plan.repeats[track].tolist()):
        sure, plays = bool(plan.instruments_known[track, bar]), bool(plan.instruments[track, bar])
        if sure and not plays:
            cells.append(SILENT)
            continue
        # An unknown bar that later bars repeat needs a letter too.
        repeated = bool(plan.form[track, bar + 1 :, bar].any())
        number = original if original >= 0 else (bar if repeated else -1)
        letter = OPEN if number < 0 else letters.setdefault(number, _letter(len(letters)))
        known = bool(plan.activity_known[track, bar])
        level = str(int(plan.activity[track, bar].sum())) if known else ("x" if sure else OPEN)
        cells.append(OPEN if letter + level == 2 * OPEN else letter + level)
    return cells


def _letter(number: int) -> str:
    """Return A to Z, then AA, AB, ..."""
    letters = ""
    number += 1
    while number:
        number, last = divmod(number - 1, 26)
        letters = chr(ord("A") + last) + letters
    return letters


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name[:20])
