"""Write lengths in steps as note values: dots, ties and tuplets, split where the metre wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bgmusic.errors import UserError

TYPES = ("breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th", "512th", "1024th")
_QUARTER = TYPES.index("quarter")
_COMPOUND = 3  # beats of 6/8, 9/8 and 12/8 have three eighths
DIVISIONS = 10080
"""Divisions of a quarter note in the file: lengths that are no whole number of them cannot be written."""

Bracket = Literal["start", "stop", "startStop"]


@dataclass(frozen=True)
class Tuplet:
    """A tuplet: ``actual`` notes of a type in the time of ``normal``."""

    actual: int
    normal: int
    type: str


@dataclass(frozen=True)
class Value:
    """A note value.

    Attributes:
        length: steps that it lasts.
        type: a name of ``TYPES``.
        dots: 0 or 1.
        tuplet: the tuplet that it belongs to, or None.
        bracket: whether it starts or stops the tuplet's bracket, or is its only note; else None.

    """

    length: int
    type: str
    dots: int = 0
    tuplet: Tuplet | None = None
    bracket: Bracket | None = None


class Rhythm:
    """Writes the rhythm of bars of one length.

    Args:
        resolution: steps per quarter note.
        metre: numerator and denominator.
        steps: steps of a bar.

    """

    def __init__(self, resolution: int, metre: tuple[int, int], steps: int) -> None:
        numerator, denominator = metre
        window = Fraction(4 * resolution, max(denominator, 4))
        while window.denominator > 1:
            window *= 2
        self.steps = steps
        self.resolution = resolution
        self.window = int(window)
        """Steps in which a tuplet lies: a quarter, or the shorter unit of the metre."""
        self._unit = self.window & -self.window  # steps of a window: a power of two times an odd number
        self._odd = self.window // self._unit
        self._compound = numerator % _COMPOUND == 0 and numerator > _COMPOUND and denominator > 4
        self._group = self.window * (_COMPOUND if self._compound else 1) // self._odd  # in units of ``_odd`` steps
        bar = steps // self._odd
        self._middle = bar // 2 if not self._compound and numerator % 2 == 0 and bar % 2 == 0 else 0

    def write(self, spans: Sequence[tuple[int, int]]) -> list[list[Value]]:
        """Write the notes and rests of one voice in one bar.

        Args:
            spans: first step of each and step at which it ends, ascending, from 0 to ``steps`` without gaps.

        Returns:
            The note values of each, to be tied.

        Raises:
            UserError: a length is too short for notation.

        """
        bounds = {start for start, _ in spans} | {self.steps}
        uneven = {bound // self.window for bound in bounds if bound % self._odd}  # windows with a tuplet
        written = []
        for start, stop in spans:
            values: list[Value] = []
            at = start
            while at < stop:
                window = at // self.window
                if window in uneven:
                    end = min(stop, (window + 1) * self.window)
                    values += self._tuplet(at, end)
                else:
                    end = min([stop, *(w * self.window for w in uneven if w > window)])
                    for first, last in self._split(at // self._odd, end // self._odd):
                        values.append(self._value((last - first) * self._odd, None))
                at = end
            written.append(values)
        return written

    def _split(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Split a length into single note values; positions are in the least binary unit."""
        if self._is_readable(start, stop):
            return [(start, stop)]
        best = max(range(start + 1, stop), key=self._strength)
        return self._split(start, best) + self._split(best, stop)

    def _is_readable(self, start: int, stop: int) -> bool:
        length, group = stop - start, self._group
        base = _base(length)
        if base is None or length == 1:
            return base is not None
        if self._compound:
            within = start // group == (stop - 1) // group
            return start % max(1, base // 2) == 0 if within else start % group == 0 == length % group
        if self._middle and start < self._middle < stop and start % group:
            return False
        if base < length:  # dotted
            return start % base == 0 or stop % (2 * base) == 0
        return start % max(1, base // 2) == 0

    def _strength(self, place: int) -> tuple[bool, bool, int, int]:
        """Rank a place in the bar as a place to split; the earliest of equal ones is best."""
        at_middle = bool(self._middle) and place == self._middle
        within = place % self._group if self._compound else place
        return at_middle, place % self._group == 0, within & -within, -place

    def _tuplet(self, start: int, stop: int) -> list[Value]:
        """Write a length within one tuplet."""
        normal = 1 << (self._odd.bit_length() - 1)
        quarters = Fraction(self.window, self.resolution)  # a window's
        name, dots = self._type(quarters / normal)
        if dots or not name:  # a window of a dotted note, at resolutions without eighths
            raise UserError(f"{self.resolution} steps per beat are too fine or uneven for this metre in a score")
        tuplet = Tuplet(self._odd, normal, name)
        first, last = start % self.window, (stop - 1) % self.window + 1
        values = []
        for begin, end in self._split_tuplet(first, last):
            opens, closes = begin == 0, end == self.window
            bracket: Bracket | None = "startStop" if opens and closes else "start" if opens else None
            bracket = "stop" if closes and not opens else bracket
            values.append(self._value(end - begin, tuplet, bracket))
        return values

    def _split_tuplet(self, start: int, stop: int) -> list[tuple[int, int]]:
        unit = self._unit
        base = _base(stop - start)
        inside = start // unit == (stop - 1) // unit or start % unit == 0
        if base is not None and inside:
            return [(start, stop)]
        best = max(range(start + 1, stop), key=lambda place: (place % unit == 0, place & -place, -place))
        return self._split_tuplet(start, best) + self._split_tuplet(best, stop)

    def _value(self, length: int, tuplet: Tuplet | None, bracket: Bracket | None = None) -> Value:
        quarters = Fraction(length, self.resolution)
        if tuplet:
            quarters *= Fraction(tuplet.actual, tuplet.normal)
        name, dots = self._type(quarters)
        if not name or (Fraction(length, self.resolution) * DIVISIONS).denominator > 1:
            raise UserError(f"a note of {length}/{self.resolution} of a beat is too short for a score")
        return Value(length, name, dots, tuplet, bracket)

    @staticmethod
    def _type(quarters: Fraction) -> tuple[str, int]:
        """Return the type and dots of a length; ``""`` if it has none."""
        dots = 0 if quarters.numerator.bit_count() == 1 else 1
        base = quarters / Fraction(3, 2) if dots else quarters
        if base.numerator.bit_count() != 1 or base.denominator.bit_count() != 1:
            return "", 0
        power = base.numerator.bit_length() - base.denominator.bit_length()
        return (TYPES[_QUARTER - power], dots) if 0 <= _QUARTER - power < len(TYPES) else ("", 0)


def _base(length: int) -> int | None:
    """Return the power of two of an undotted (2^k) or dotted (3 * 2^k) length, or None."""
    base = length & -length
    if length == base:
        return base
    return base * 2 if length == 3 * base else None
