"""Note values: they add up, begin and end where the metre allows, and refuse what notation cannot write."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmusic.errors import UserError
from bgmusic.music.rolls.metre import steps_per_bar
from bgmusic.music.score.rhythm import TYPES, Rhythm

QUARTER = TYPES.index("quarter")
METRES = [(4, 4), (3, 4), (2, 4), (5, 4), (6, 8), (9, 8), (12, 8), (7, 8), (2, 2), (3, 2), (3, 8)]


def quarters(value):
    """Return the length of a value in quarters, by its name, dots and tuplet."""
    length = Fraction(2) ** (QUARTER - TYPES.index(value.type)) * (Fraction(3, 2) if value.dots else 1)
    return length * Fraction(value.tuplet.normal, value.tuplet.actual) if value.tuplet else length


def rhythm(resolution, metre):
    return Rhythm(resolution, metre, steps_per_bar(metre, resolution))


def written(resolution, metre, *spans):
    """Return the values of one voice as text: ``q.`` for a dotted quarter, ``8t`` for a triplet eighth."""
    short = {"whole": "w", "half": "h", "quarter": "q", "eighth": "8", "16th": "16", "32nd": "32"}
    values = rhythm(resolution, metre).write(spans)
    return ["+".join(short[v.type] + "." * v.dots + "t" * bool(v.tuplet) for v in one) for one in values]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_values_last_as_long_as_their_notes(data):
    resolution = data.draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8, 12, 24]))
    metre = data.draw(st.sampled_from([m for m in METRES if m[0] * 4 * resolution % m[1] == 0]))
    steps = steps_per_bar(metre, resolution)
    cuts = sorted({0, steps} | data.draw(st.sets(st.integers(1, max(1, steps - 1)), max_size=8)))
    cuts = [cut for cut in cuts if cut <= steps]
    spans = list(itertools.pairwise(cuts))
    open_tuplet = False
    for (start, stop), values in zip(spans, rhythm(resolution, metre).write(spans), strict=True):
        assert sum(value.length for value in values) == stop - start
        for value in values:
            assert quarters(value) == Fraction(value.length, resolution)
            if value.tuplet is None:
                assert value.bracket is None
                assert not open_tuplet
            elif value.bracket in ("start", "startStop"):
                assert not open_tuplet
                open_tuplet = value.bracket == "start"
            else:
                assert open_tuplet
                open_tuplet = value.bracket is None
    assert not open_tuplet


def test_simple_metres():
    assert written(4, (4, 4), (0, 16)) == ["w"]
    assert written(4, (4, 4), (0, 6), (6, 8), (8, 16)) == ["q.", "8", "h"]
    assert written(4, (4, 4), (0, 2), (2, 6), (6, 8), (8, 16)) == ["8", "q", "8", "h"]
    assert written(4, (4, 4), (0, 5), (5, 16)) == ["q+16", "8.+h"]
    assert written(4, (3, 4), (0, 12)) == ["h."]
    # A note across the middle of the bar that begins off the beat is tied there.
    assert written(4, (4, 4), (0, 6), (6, 10), (10, 16)) == ["q.", "8+8", "q."]


def test_compound_metres():
    assert written(4, (6, 8), (0, 12)) == ["h."]
    assert written(4, (6, 8), (0, 6), (6, 12)) == ["q.", "q."]
    assert written(4, (6, 8), (0, 4), (4, 8), (8, 12)) == ["q", "8+8", "q"]
    assert written(2, (12, 8), (0, 12)) == ["w."]


def test_tuplets():
    assert written(12, (4, 4), (0, 4), (4, 8), (8, 12), (12, 48)) == ["8t", "8t", "8t", "h."]
    assert written(12, (2, 4), (0, 8), (8, 24)) == ["qt", "8t+q"]
    assert written(3, (2, 4), (0, 2), (2, 3), (3, 6)) == ["qt", "8t", "q"]
    (first,), (second, third) = rhythm(12, (2, 4)).write([(0, 8), (8, 24)])
    assert (first.bracket, second.bracket, third.bracket) == ("start", "stop", None)


def test_what_is_too_short_is_refused():
    with pytest.raises(UserError, match="too short for a score"):
        rhythm(440, (4, 4)).write([(0, 1), (1, 1760)])
    with pytest.raises(UserError, match="too short for a score"):
        rhythm(64, (4, 4)).write([(0, 1), (1, 256)])  # no whole number of divisions


def test_rhythms_of_every_step():
    for resolution in (4, 12, 24):
        steps = 4 * resolution
        for start in np.arange(steps):
            for stop in range(int(start) + 1, steps + 1):
                spans = [span for span in [(0, int(start)), (int(start), stop), (stop, steps)] if span[0] < span[1]]
                for values in rhythm(resolution, (4, 4)).write(spans):
                    assert len(values) <= 8
