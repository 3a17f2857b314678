"""Roman numerals: chords by their degree in a key, such as ``ii7``, ``V/V``, ``bVII`` or ``I64``.

Upper case is major, lower case minor; ``o`` or ``°`` diminished, ``ø`` or ``%`` half-diminished, ``+`` augmented. 7, 9,
11 and 13 add a minor seventh, as in names of chords: I7 is C7 in C, and Imaj7 is Cmaj7. The figures 6, 64 (triads) and
65, 43, 42 (sevenths) are inversions; the seventh of an inverted upper-case numeral is the key's, as in figured bass:
I65 is Cmaj7/E, V65 is G7/B. In minor keys degrees are those of natural minor, and the diminished chord on the seventh
degree stands on the leading note; bIII, bVI and bVII are III, VI and VII, as in songs.
"""

from __future__ import annotations

import re

from bgmusic.errors import UserError
from bgmusic.music.plans.chord_names import bits_of, note_class, read_kind
from bgmusic.music.plans.plan import Bits, Plan
from bgmusic.music.plans.shape import CLASSES
from bgmusic.music.plans.spelling import key_spelling, plan_key

_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_LOWERED = (2, 5, 6)  # degrees of the minor scale that are lower than those of the major one
_DEGREES = ("i", "ii", "iii", "iv", "v", "vi", "vii")
_NUMERAL = re.compile(r"(?P<shift>[b#]?)(?P<degree>VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(?P<kind>[^/]*)")
_FIGURES = {"6": 1, "64": 2, "65": 1, "43": 2, "42": 3, "2": 3}
_FIGURE = re.compile(r"([°oø%+]?)(65|64|43|42|6|2)")
_DIMINISHED = re.compile(r"dim|°|o(?!mit)|ø|%|h")  # kinds that say the third themselves

Key = tuple[int, bool]
"""Pitch class of the tonic, and whether the key is minor."""


def parse_key(text: str) -> Key:
    """Read the name of a key: ``C``, ``Am``, ``Bb major``, ``F# minor``.

    Raises:
        UserError: it is no key.

    """
    found = re.fullmatch(r"([A-Ga-g][b#♭♯]?) ?(major|maj|minor|min|m)?", text.strip())
    tonic = None if found is None else note_class(found[1][:1].upper() + found[1][1:])
    if found is None or tonic is None:
        raise UserError(f"{text[:40]!r} is no key: write it as C, Am or F# minor")
    minor = found[2] in ("minor", "min", "m") if found[2] else found[1][0].islower()
    return tonic, minor


def key_number(key: Key) -> int:
    """Return the number of a key among ``KEYS``."""
    tonic, minor = key
    return tonic + CLASSES * minor


def key_name(plan: Plan) -> str | None:
    """Return the name of a plan's key, ``C`` or ``F#m``, which :func:`parse_key` reads; None if none is said."""
    key = plan_key(plan)
    if key is None:
        return None
    tonic, minor = key
    return key_spelling(tonic, minor)[tonic] + ("m" if minor else "")


def is_numeral(text: str) -> bool:
    """Whether a chord is written as a Roman numeral."""
    return _NUMERAL.match(text.replace("♭", "b").replace("♯", "#")) is not None


def parse_numeral(text: str, key: Key) -> Bits:
    """Read a Roman numeral.

    Args:
        text: the numeral, perhaps with ``/`` and the numeral of the degree that it leads to.
        key: the key.

    Returns:
        Boolean ``(24,)``: 12 pitch classes, then the bass.

    Raises:
        UserError: it is no numeral.

    """
    own, slash, target = text.replace("♭", "b").replace("♯", "#").partition("/")
    if slash:
        goal = _NUMERAL.fullmatch(target)
        if goal is None or goal["kind"]:
            raise UserError(f"{text[:40]!r}: after the slash stands a plain numeral, as in V7/ii")
        key = _root(goal, key), goal["degree"].islower()
    numeral = _NUMERAL.fullmatch(own)
    if numeral is None:
        raise UserError(f"{text[:40]!r} is no Roman numeral, such as ii7, V/V or bVII")
    root, kind = _root(numeral, key), numeral["kind"]
    inversion, figure = 0, _FIGURE.fullmatch(kind)
    lower = numeral["degree"].islower()
    if figure is not None:
        inversion, kind = _FIGURES[figure[2]], figure[1]
        if figure[2] in ("65", "43", "42", "2"):
            of_key = not lower and not kind and (root + 11 - key[0]) % CLASSES in _scale(key)
            kind += "maj7" if of_key else "7"
    if lower and not _DIMINISHED.match(kind):
        kind = "minor" + kind
    intervals = read_kind(kind.replace("%", "ø"), text)
    notes = sorted(intervals)
    if inversion >= len(notes):
        raise UserError(f"{text[:40]!r}: the chord has no such inversion")
    return bits_of({(root + interval) % CLASSES for interval in intervals}, (root + notes[inversion]) % CLASSES)


def _scale(key: Key) -> tuple[int, ...]:
    return _MINOR if key[1] else _MAJOR


def _root(numeral: re.Match[str], key: Key) -> int:
    degree = _DEGREES.index(numeral["degree"].lower())
    above = _scale(key)[degree]
    if key[1] and degree == 6 and not numeral["shift"] and _DIMINISHED.match(numeral["kind"]):
        above = 11
    if key[1] and numeral["shift"] == "b" and degree in _LOWERED:
        return (key[0] + above) % CLASSES
    return (key[0] + above + {"b": -1, "#": 1, "": 0}[numeral["shift"]]) % CLASSES
