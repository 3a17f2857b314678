"""Read and write the names of chords, as on lead sheets: ``C``, ``Am7``, ``F/A``, ``Bbmaj7``, ``G7(b9)``, ``N.C.``.

A chord that has no name is written as its notes: ``{C,Db,D}/C``. No parser of a library is used: PyChord 1.4.1 refuses
``C-7``, ``Cmin7``, ``Cma7``, ``C°``, ``Cø``, ``C+``, ``CΔ`` and ``B♭``, and reads ``C6/9`` as a slash chord.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.plans.chord_kinds import INTERVALS
from bgmusic.music.plans.plan import Bits
from bgmusic.music.plans.shape import CLASSES, HARMONY

NO_CHORD = "N.C."
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""Names of the pitch classes."""
_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "b": -1, "#": 1, "bb": -2, "##": 2}
_FIFTH = 7
_STEPS = (0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6)  # from the root to a note of a chord, by semitones
_NOTE = re.compile(r"([A-G])(bb|##|b|#)?")
_PARTS = re.compile(
    r"(?P<alter>(?:b|#|[+-](?=5)|(?<=.)[+-])(?:5|9|11|13))"  # "C-9" is minor, "C-5" is not
    r"|(?P<major>major|maj|Maj|ma(?!dd|ug)|M|Δ|\^)|(?P<minor>minor|min|mi|m|-)|(?P<half>ø|h)|(?P<dim>dim|°|o(?!mit))|(?P<aug>aug|\+)"
    r"|(?P<sus>sus[24]?)|(?P<add>add(?:2|4|6|9|11|13))|(?P<no>(?:no|omit)[35])|(?P<alt>7?alt$)"
    r"|(?P<number>6/?9|13|11|9|7|6|(?<!.)[52])"
)
_MAJOR = ("ma", "Ma", "M")
_ADDED = {"2": 2, "4": 5, "6": 9, "9": 2, "11": 5, "13": 9}
_SEVERAL = ("alter", "add", "no")  # parts that a name may have more than once
_FIRST = ("minor", "half", "dim", "alt")  # parts that stand only right after the root: "Cmino" is no chord
_LONGEST = 40  # characters of a chord


def note_class(text: str) -> int | None:
    """Return the pitch class of a note's name such as ``Bb``, or None."""
    found = _NOTE.fullmatch(_plain(text))
    return None if found is None else _class_of(found)


def parse_chord(text: str) -> Bits:
    """Read the name of a chord.

    Args:
        text: root, kind and perhaps a bass after a slash; ``N.C.`` for none; or notes, ``{C,E,G}/C``.

    Returns:
        Boolean ``(24,)``: 12 pitch classes, then the bass.

    Raises:
        UserError: it is no chord.

    """
    plain = _plain(text)
    if plain.upper().rstrip(".") in ("N.C", "NC"):
        return np.zeros(HARMONY, np.bool_)
    if len(plain) > _LONGEST:
        raise UserError(f"chord {text[:_LONGEST]!r}... is too long")
    body, slash, tail = plain.rpartition("/")
    bass = note_class(tail) if slash else None
    if bass is None:
        body = plain
    if body.startswith("{"):
        classes = _note_set(body, text)
        root = min(classes) if bass is None else bass
    else:
        root, classes = _named(body, text)
    return bits_of(classes | {root if bass is None else bass}, root if bass is None else bass)


def bits_of(classes: set[int], bass: int) -> Bits:
    """Return the bits of a chord and its bass: boolean ``(24,)``."""
    bits = np.zeros(HARMONY, np.bool_)
    bits[list(classes)] = True
    bits[CLASSES + bass] = True
    return bits


def chord_name(bits: Bits, names: Sequence[str] = NAMES) -> str:
    """Return the name of a chord; :func:`parse_chord` reads it back.

    Args:
        bits: boolean ``(24,)``, as in a plan's harmony.
        names: of the pitch classes, from C.

    Raises:
        ValueError: the shape is another, or the chord has no bass.

    """
    if bits.shape != (HARMONY,) or bits.dtype != np.bool_:
        raise ValueError(f"a chord is boolean of shape ({HARMONY},), not {bits.dtype} of shape {bits.shape}")
    classes = frozenset(np.flatnonzero(bits[:CLASSES]).tolist())
    if not classes:
        return NO_CHORD
    if bits[CLASSES:].sum() != 1:
        raise ValueError("a chord has one bass")
    bass = int(bits[CLASSES:].argmax())
    # The bass is the root if it can be; else the chord is named without it, where it is no note of the named chord.
    for known in (classes, classes - {bass}):
        roots = [root for root in (bass, *range(CLASSES)) if (root, known) in _kinds()]
        if roots:
            root = min(roots, key=lambda root: (root != bass, _kinds()[root, known][0]))
            name = names[root] + _kinds()[root, known][1]
            return name if root == bass else f"{name}/{_bass_name(root, bass, known, names)}"
    return "{" + ",".join(names[note] for note in sorted(classes)) + "}/" + names[bass]


def _bass_name(root: int, bass: int, classes: frozenset[int], names: Sequence[str]) -> str:
    """Name a bass as a note of its chord, in thirds above the root: the bass of B7 is D#, that of Abm is Cb."""
    interval = (bass - root) % CLASSES
    steps = 4 if interval == _FIFTH + 1 and (root + _FIFTH) % CLASSES not in classes else _STEPS[interval]
    letter = "CDEFGAB"[("CDEFGAB".index(names[root][0]) + steps) % 7]
    sign = (bass - _NATURAL[letter] + 6) % CLASSES - 6
    if bass not in classes or abs(sign) > 1:
        return names[bass]
    return letter + {-1: "b", 0: "", 1: "#"}[sign]


@cache
def _kinds() -> dict[tuple[int, frozenset[int]], tuple[int, str]]:
    """Return rank and name of the kind of chord that a root and its pitch classes make."""
    table: dict[tuple[int, frozenset[int]], tuple[int, str]] = {}
    for rank, (name, intervals) in enumerate(INTERVALS.items()):
        for root in range(CLASSES):
            classes = frozenset((root + interval) % CLASSES for interval in intervals)
            table.setdefault((root, classes), (rank, name))
    return table


def _plain(text: str) -> str:
    return text.strip().replace("♭", "b").replace("♯", "#")


def _class_of(note: re.Match[str]) -> int:
    return (_NATURAL[note[1]] + _ACCIDENTALS[note[2] or ""]) % CLASSES


def _note_set(body: str, text: str) -> set[int]:
    notes = [note_class(note) for note in body[1:-1].split(",")] if body.endswith("}") else [None]
    found = {note for note in notes if note is not None}
    if None in notes:
        raise UserError(f"chord {text!r}: write its notes as {{C,E,G}}")
    return found


@dataclass
class _Kind:
    """A chord while its name is read: semitones above the root."""

    third: int | None = 4
    fifth: int | None = 7
    seventh: int = 10
    has_seventh: bool = False
    others: set[int] = field(default_factory=set)

    def alter_fifth(self, fifth: int) -> None:
        """Replace the perfect fifth; a second alteration sounds beside the first: ``C7b5#5``."""
        if self.fifth in (None, _FIFTH):
            self.fifth = fifth
        else:
            self.others.add(fifth)

    def intervals(self) -> set[int]:
        present = {0, *self.others}
        present |= {value for value in (self.third, self.fifth) if value is not None}
        return present | ({self.seventh} if self.has_seventh else set())


def _named(body: str, text: str) -> tuple[int, set[int]]:
    """Return the root and the pitch classes of a chord's name without its bass."""
    note = _NOTE.match(body)
    if note is None and body[:1].islower() and (name := body[0].upper() + body[1:])[0] in _NATURAL:
        kinds = f"{name} or {name}m" if _NOTE.fullmatch(name) else name
        raise UserError(f"{text!r} is no chord: write the root as a capital letter, as in {kinds}")
    if note is None:
        raise UserError(f"{text!r} is no chord: write a root from A to G and a kind, such as Am7 or F/A")
    root = _class_of(note)
    kind = read_kind(body[note.end() :], text)
    return root, {(root + interval) % CLASSES for interval in kind}


def read_kind(rest: str, text: str) -> set[int]:
    """Return the semitones above the root of a kind such as ``m7b5``.

    Args:
        rest: the kind, what follows the root.
        text: the whole chord, for the error message.

    Raises:
        UserError: it is no kind of chord.

    """
    kind, place = _Kind(), 0
    seen: set[str] = set()
    rest = re.sub(r"\(([^()]*)\)", lambda inside: re.sub(r"[,\s]", "", inside[1]), rest)
    while place < len(rest):
        part = _PARTS.match(rest, place)
        group = "" if part is None else str(part.lastgroup)
        if part is None or (group in seen and group not in _SEVERAL) or (group in _FIRST and place):
            raise UserError(f"chord {text!r}: {rest[place:]!r} is not understood")
        seen.add(group)
        _apply(kind, group, part[0])
        place = part.end()
    if "major" in seen and not (kind.has_seventh or rest.startswith(_MAJOR)):
        raise UserError(f"chord {text!r}: write the major seventh with its 7, as in Cm(maj7)")
    return kind.intervals()


def _apply(kind: _Kind, group: str, part: str) -> None:  # noqa: PLR0912 (one branch for each part)
    if group == "number":
        _number(kind, part)
    elif group == "major":
        kind.seventh = 11
        kind.has_seventh |= part in "Δ^"
    elif group == "minor":
        kind.third = 3
    elif group == "half":
        kind.third, kind.fifth, kind.has_seventh = 3, 6, True
    elif group == "dim":
        kind.third, kind.fifth, kind.seventh = 3, 6, 9
    elif group == "aug":
        kind.alter_fifth(8)
    elif group == "sus":
        kind.third = None
        kind.others.add(2 if part == "sus2" else 5)
    elif group == "add":
        kind.others.add(_ADDED[part[3:]])
    elif group == "no":
        if part[-1] == "3":
            kind.third = None
        else:
            kind.fifth = None
    elif group == "alt":
        kind.has_seventh, kind.fifth = True, 8
        kind.others |= {1, 3}
    else:
        shift = -1 if part[0] in "b-" else 1
        if part[1:] == "5":
            kind.alter_fifth(7 + shift)
        else:
            kind.others.discard(_ADDED[part[1:]])
            kind.others.add(_ADDED[part[1:]] + shift)


def _number(kind: _Kind, part: str) -> None:
    if part in ("6", "69", "6/9"):
        kind.others.add(9)
        kind.others |= {2} if part != "6" else set()
    elif part == "5":
        kind.third = None
    elif part == "2":
        kind.others.add(2)
    else:
        kind.has_seventh = True
        kind.others |= {"7": set(), "9": {2}, "11": {2, 5}, "13": {2, 5, 9}}[part]
