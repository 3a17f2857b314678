"""Plans typed as text: ``--chords``, ``--form``, ``--instruments`` and ``--activity``.

Form, instruments and activity take ``Track:value`` for one track, a value alone for all tracks, or several of these
with commas between them; that of a track counts. A value is spread evenly over the bars; ``?`` leaves a place open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.plans.lead_sheet import OPEN, loosened, parse_line, split_bars
from bgmusic.music.plans.plan import Bits, Plan
from bgmusic.music.plans.roman import Key, key_number
from bgmusic.music.plans.settle import require_silence
from bgmusic.music.plans.shape import LEVELS, PlanShape

WORDS = {"none": 0, "low": 2, "medium": 4, "high": 6, "full": len(LEVELS)}
"""Words for levels of activity."""
_LONGEST = 10_000  # characters of one option


def bars_of(chords: str | None, form: str | None, phrase: int) -> int:
    """Return the number of bars of a plan whose length is not said.

    It is a phrase's, or that of the line of chords unless that fits a phrase when it is repeated. With a form, the line
    of chords is that of one section.

    Args:
        chords: a line of chords, or None.
        form: a form, or None.
        phrase: bars of a phrase.

    Raises:
        UserError: the line of chords is not understood.

    """
    if chords is None:
        return phrase
    written = len(split_bars(chords))
    if form is not None:
        sections = "".join(form[:_LONGEST].split(",")[0].rpartition(":")[2].split())
        return written * max(1, len(sections))
    return phrase if phrase % written == 0 else written


def typed_plan(
    shape: PlanShape,
    chords: str | None = None,
    form: str | None = None,
    instruments: str | None = None,
    activity: str | None = None,
    key: Key | None = None,
    loose: bool = False,
) -> Plan:
    """Make a plan of what is typed; everything else is unknown.

    Args:
        shape: the size of the plan.
        chords: a line of chords, see :mod:`bgmusic.music.plans.lead_sheet`; a shorter line is repeated.
        form: letters of sections, ``AABA`` or ``Drums:AAAA``; equal letters are equal sections. A track that
            ``instruments`` silences in a section enters with the next one of that letter.
        instruments: ``x`` where a track plays, ``-`` where it is silent: ``Drums:-x-x, Bass:xxxx``.
        activity: ``none``, ``low``, ``medium``, ``high``, ``full``, or levels from 0 to 8, with spaces between them.
        key: of the piece, and of Roman numerals.
        loose: whether chords are known only where they begin, and at the beginning of each bar.

    Raises:
        UserError: something is not understood, or does not fit the number of bars.

    """
    arrays = {name: values.copy() for name, values in Plan.unknown(shape).arrays().items()}
    if key is not None:
        arrays["key"][0, key_number(key)] = arrays["key_known"][:] = True
    if chords is not None:
        harmony = _harmony(shape, chords, key)
        arrays["harmony"], arrays["harmony_known"] = loosened(*harmony, shape.beats) if loose else harmony
    for name, text in (("instruments", instruments), ("activity", activity)):
        if text is not None:
            _of_bars(shape, name, text, arrays)
    if form is not None:
        _form(shape, form, arrays)
    require_silence(shape, arrays)
    wrong = arrays["activity_known"] & ~arrays["activity"].any(-1) & arrays["instruments"]
    if wrong.any():
        track, bar = np.argwhere(wrong)[0].tolist()
        raise UserError(f"{shape.tracks[track]}: bar {bar + 1} plays, but its activity is none")
    return Plan(shape, **arrays)


def find_track(shape: PlanShape, name: str) -> int:
    """Return the number of a track by its name, ignoring case, or by its number (from 0).

    Raises:
        UserError: there is no such track; the message lists the tracks.

    """
    wanted = name.strip().lower()
    names = [track.lower() for track in shape.tracks]
    if wanted in names:
        return names.index(wanted)
    if wanted.isdecimal() and wanted.isascii() and len(wanted) < 4 and int(wanted) < len(names):
        return int(wanted)
    raise UserError(f"no track {name.strip()[:40]!r}; tracks: {', '.join(shape.tracks)}")


def _harmony(shape: PlanShape, line: str, key: Key | None) -> tuple[Bits, Bits]:
    if not shape.pitched:
        raise UserError("chords: all tracks are drums, which play no chords")
    harmony, known = parse_line(line, shape.beats, key)
    written = len(known) // shape.beats
    if shape.bars % written:
        raise UserError(
            f"chords: {_bars(written)} of chords do not fit {_bars(shape.bars)}; write {OPEN} for a bar that stays open"
        )
    times = shape.bars // written
    return np.tile(harmony, (times, 1)), np.tile(known, times)


def _items(shape: PlanShape, option: str, text: str) -> Iterator[tuple[Sequence[int], str, str]]:
    """Yield the tracks, the value, and what messages call it, of each item; the value for all tracks first."""
    if len(text) > _LONGEST:
        raise UserError(f"{option}: at most {_LONGEST:,} characters are read")
    items = text.split(",")
    words = [item.split() for item in items if ":" not in item]
    names = [name.lower() for name in shape.tracks if len(name) > 1]
    if any(sign in text for sign in ";=") or any(len(some) > 1 and some[0].lower() in names for some in words):
        raise UserError(f"{option}: write Track:value, and commas between tracks, as in {_BY_TRACK[option]}")
    if sum(":" not in item for item in items) > 1:
        raise UserError(f"{option}: several values without a track; write {_EXAMPLES[option]}")
    named: set[int] = set()
    for item in sorted(items, key=lambda item: ":" in item):  # what is written of a track overwrites it
        track, colon, value = item.rpartition(":")
        tracks = [find_track(shape, track)] if colon else range(len(shape.tracks))
        if colon and tracks[0] in named:
            raise UserError(f"{option}: {shape.tracks[tracks[0]]} is given twice")
        named.update(tracks if colon else ())
        value = value.strip()
        where = f"{option} of {shape.tracks[tracks[0]]}" if colon else option
        if not value:
            raise UserError(f"{where}: nothing is given; write {_EXAMPLES[option]}")
        yield tracks, value, where


_BY_TRACK = {
    "form": "Drums:AAAA, Bass:ABAB",
    "instruments": "Drums:-x-x, Bass:xxxx",
    "activity": "Drums:low, Bass:1 2 3 2",
}
_EXAMPLES = {
    "form": "AABA, or Drums:AAAA",
    "instruments": "x for a bar that plays and - for silence, as in Bass:xx-x",
    "activity": f"{', '.join(WORDS)}, or levels from 0 to {len(LEVELS)}, as in Bass:low",
}


def _spread(shape: PlanShape, values: int, where: str) -> int:
    """Return the number of bars of each value."""
    if shape.bars % values:
        what = "section" if where.startswith("form") else "value"
        fitting = -(-shape.bars // values) * values
        raise UserError(
            f"{where}: {values} {what}s do not fit {_bars(shape.bars)}; --bars {fitting} fits, or write another "
            f"number of {what}s"
        )
    return shape.bars // values


def _form(shape: PlanShape, text: str, arrays: dict[str, Bits]) -> None:
    for tracks, value, where in _items(shape, "form", text):
        letters = "".join(value.split())
        wrong = [letter for letter in letters if letter != OPEN and not (letter.isascii() and letter.isalpha())]
        if wrong:
            raise UserError(f"{where}: {wrong[0]!r} is no section; write letters, as in AABA")
        length = _spread(shape, len(letters), where)
        for track in tracks:
            _sections(letters, length, track, arrays)


def _sections(letters: str, length: int, track: int, arrays: dict[str, Bits]) -> None:
    """Write the form of one track, in place: bars repeat those of the first section of their letter that may sound."""
    silent = arrays["instruments_known"][track] & ~arrays["instruments"][track]
    arrays["form"][track] = False
    arrays["form_known"][track] = False
    for bar in np.flatnonzero(~silent).tolist():
        section, offset = divmod(bar, length)
        same = [number * length + offset for number in range(section + 1) if letters[number] == letters[section]]
        first = next(number for number in same if not silent[number])
        # The first section of a letter is new; its bars may repeat each other, so they stay open.
        if letters[section] != OPEN and (first < bar or length == 1):
            arrays["form"][track, bar, first] = arrays["form_known"][track, bar] = True


def _of_bars(shape: PlanShape, option: str, text: str, arrays: dict[str, Bits]) -> None:
    """Read instruments or activity."""
    read = _playing if option == "instruments" else _levels
    for tracks, value, where in _items(shape, option, text):
        given = read(value, where)
        length = _spread(shape, len(given), where)
        for number, bits in enumerate(given):
            bars = slice(number * length, (number + 1) * length)
            for track in tracks:
                arrays[option][track, bars] = False if bits is None else bits
                arrays[f"{option}_known"][track, bars] = bits is not None


def _playing(value: str, where: str) -> list[Bits | None]:
    found: list[Bits | None] = []
    for sign in "".join(value.split()):
        if sign not in "xX-?":
            raise UserError(f"{where}: {sign!r} is not understood; write {_EXAMPLES['instruments']}")
        found.append(None if sign == OPEN else np.array(sign in "xX"))
    return found


def _levels(value: str, where: str) -> list[Bits | None]:
    found: list[Bits | None] = []
    for word in value.split():
        number = WORDS.get(word.lower(), int(word) if len(word) == 1 and word in "0123456789" else -1)
        if word != OPEN and not 0 <= number <= len(LEVELS):
            raise UserError(f"{where}: {word[:40]!r} is not understood; write {_EXAMPLES['activity']}")
        found.append(None if word == OPEN else np.arange(len(LEVELS)) < number)
    return found


def _bars(number: int) -> str:
    return f"{number} bar" if number == 1 else f"{number} bars"
