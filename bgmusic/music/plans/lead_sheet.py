"""Lines of chords as on lead sheets: ``C | Am | F G | C/E``.

A bar line ``|`` stands between bars. Chords of a bar share its beats evenly; beats that are left over go to the first.
``%`` repeats the chord before, alone in a bar the bar before; ``N.C.`` is no chord; ``?`` leaves a place open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.plans.chord_names import NAMES, chord_name, parse_chord
from bgmusic.music.plans.plan import Bits
from bgmusic.music.plans.roman import Key, is_numeral, parse_numeral
from bgmusic.music.plans.shape import HARMONY, MAX_BARS

OPEN, AGAIN = "?", "%"
_LONGEST = 100_000  # characters of a line


def split_bars(line: str) -> list[list[str]]:
    """Split a line of chords into bars, each a list of at least one chord.

    Raises:
        UserError: a bar is empty, or there are too many.

    """
    if len(line) > _LONGEST:
        raise UserError(f"a line of chords has at most {_LONGEST:,} characters")
    text = line.strip()
    bars = [bar.split() for bar in text.removeprefix("|").removesuffix("|").split("|")]
    if not text.strip("| "):
        raise UserError("no chords: write a line such as 'C | Am | F G | C'")
    for number, bar in enumerate(bars, 1):
        if not bar:
            raise UserError(f"bar {number} of the chords is empty: write {AGAIN} to repeat, N.C. or {OPEN}")
        for chord in bar:
            if re.match("[A-G][b#]?:.", chord):
                raise UserError(
                    f"bar {number} of the chords: write {chord[:40]!r} without the colon, as in Cmaj7 or Am"
                )
            if ":" in chord:
                raise UserError(f"bar {number} of the chords: write repeats out, or use --form; ':' is not understood")
    if len(bars) > MAX_BARS:
        raise UserError(f"{len(bars)} bars of chords, at most {MAX_BARS} are allowed")
    return bars


def loosened(harmony: Bits, known: Bits, beats: int) -> tuple[Bits, Bits]:
    """Leave chords open after the beat where they begin, and the first of each bar: music goes on from there.

    Args:
        harmony: of each beat, boolean ``(bars * beats, 24)``.
        known: which beats are known, boolean ``(bars * beats,)``.
        beats: of a bar.

    Returns:
        Both of what stays known.

    """
    stays = np.ones(len(known), np.bool_)
    stays[1:] = (harmony[1:] != harmony[:-1]).any(-1)
    stays[::beats] = True
    stays &= known
    return harmony & stays[:, None], stays


def parse_line(line: str, beats: int, key: Key | None = None) -> tuple[Bits, Bits]:
    """Read a line of chords.

    Args:
        line: names of chords, or Roman numerals; see the module.
        beats: beats of a bar.
        key: the key of Roman numerals.

    Returns:
        Boolean ``(bars * beats, 24)``, the harmony; and ``(bars * beats,)``, False where the line leaves it open.

    Raises:
        UserError: a chord is not understood, or a bar has more chords than beats.

    """
    bars = split_bars(line)
    harmony = np.zeros((len(bars), beats, HARMONY), np.bool_)
    known = np.zeros((len(bars), beats), np.bool_)
    for number, chords in enumerate(bars):
        where = f"bar {number + 1} of the chords"
        if len(chords) > beats:
            raise UserError(f"{where} has {len(chords)} chords, but {beats} beats")
        if chords == [AGAIN]:
            if not number:
                raise UserError(f"{where}: there is no bar before it to repeat")
            harmony[number], known[number] = harmony[number - 1], known[number - 1]
            continue
        for beat, place in enumerate(_places(len(chords), beats)):
            chord = chords[place]
            if chord == OPEN:
                continue
            if chord == AGAIN:
                if not number and not beat:
                    raise UserError(f"{where}: there is no chord before it to repeat")
                before = divmod(number * beats + beat - 1, beats)
                harmony[number, beat], known[number, beat] = harmony[before], known[before]
                continue
            try:
                harmony[number, beat], known[number, beat] = _parse(chord, key), True
            except UserError as error:
                raise UserError(f"{where}: {error}") from None
    return harmony.reshape(-1, HARMONY), known.reshape(-1)


def write_bar(harmony: Bits, known: Bits, names: Sequence[str] = NAMES) -> str:
    """Write the chords of one bar, so that :func:`parse_line` reads them back.

    Args:
        harmony: boolean ``(beats, 24)``.
        known: boolean ``(beats,)``.
        names: of the pitch classes, from C.

    """
    written = [chord_name(chord, names) if sure else OPEN for chord, sure in zip(harmony, known, strict=True)]
    runs = [name for number, name in enumerate(written) if not number or name != written[number - 1]]
    if [runs[place] for place in _places(len(runs), len(written))] == written:
        return " ".join(runs)
    return " ".join(
        AGAIN if number and name == written[number - 1] and name != OPEN else name
        for number, name in enumerate(written)
    )


def write_line(harmony: Bits, known: Bits, beats: int, names: Sequence[str] = NAMES) -> str:
    """Write a line of chords: ``C | Am | F G``; arrays as :func:`parse_line` returns them."""
    starts = range(0, len(harmony), beats)
    return " | ".join(
        write_bar(harmony[start : start + beats], known[start : start + beats], names) for start in starts
    )


def _places(chords: int, beats: int) -> NDArray[np.int64]:
    """Return which of the chords of a bar each of its beats has."""
    sizes = beats // chords + (np.arange(chords) < beats % chords)
    return np.repeat(np.arange(chords), sizes)


def _parse(chord: str, key: Key | None) -> Bits:
    if not chord.strip("/.-"):
        raise UserError(f"{chord[:40]!r} is no chord: write {AGAIN} to repeat the chord before")
    if is_numeral(chord):
        if key is None:
            raise UserError(f"{chord[:40]!r} is a Roman numeral, which needs a key, such as C")
        return parse_numeral(chord, key)
    return parse_chord(chord)
