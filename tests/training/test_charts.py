"""Test the charts and pages of reports: scales, number formats, escaping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmusic.training.report.charts import HEIGHT, WIDTH, chart
from bgmusic.training.report.facts import format_time
from bgmusic.training.report.page import data_uri, number, page, share


def points(drawn):
    return np.array([[float(part) for part in point.split(",")] for point in drawn.points.split()])


def test_points_match_the_scale_of_the_ticks():
    steps, values = [0.0, 50.0, 200.0], [0.2, 0.8, 0.5]
    drawn = chart("rate", (steps, values), 0.6)
    x, y = points(drawn).T
    for places, numbers, ticks in ((x, steps, drawn.x_ticks), (y, values, drawn.y_ticks)):
        at, labels = [tick[0] for tick in ticks], [float(tick[1]) for tick in ticks]
        assert len(at) >= 3
        slope, offset = np.polyfit(labels, at, 1)
        np.testing.assert_allclose(places, slope * np.array(numbers) + offset, atol=0.11)
        if ticks is drawn.y_ticks:
            assert drawn.reference == pytest.approx(slope * 0.6 + offset, abs=0.11)
    assert drawn.summary == "rate: 0.2 at update 0, 0.5 at 200; training data: 0.6"
    assert drawn.end == (x[-1], y[-1])
    assert drawn.value == "0.5"


def test_wide_ranges_have_a_logarithmic_axis():
    values = [1000.0, 10.0, 0.1]
    drawn = chart("distance", ([0.0, 1.0, 2.0], values))
    at, labels = [tick[0] for tick in drawn.y_ticks], [float(tick[1].replace(",", "")) for tick in drawn.y_ticks]
    slope, offset = np.polyfit(np.log10(labels), at, 1)
    np.testing.assert_allclose(points(drawn)[:, 1], slope * np.log10(values) + offset, atol=0.11)
    assert drawn.reference is None


finite = st.floats(-1e290, 1e290)


@given(st.lists(finite, min_size=1, max_size=20), finite | st.just(math.nan) | st.none(), st.integers(0, 10**14))
def test_extreme_numbers_stay_inside_the_chart(values, reference, first):
    steps = [float(first + number) for number in range(len(values))]
    drawn = chart("wild", (steps, values), reference)
    x, y = points(drawn).T
    assert ((x >= 0) & (x <= WIDTH)).all()
    assert ((y >= 0) & (y <= HEIGHT)).all()
    assert (drawn.reference is None) == (reference is None or math.isnan(reference))
    for places, limit in ((drawn.x_ticks, WIDTH), (drawn.y_ticks, HEIGHT)):
        assert len(places) <= 12
        assert all(0 <= place <= limit for place, _ in places)


def test_an_empty_curve_is_rejected():
    with pytest.raises(ValueError, match="'rate' has no points"):
        chart("rate", ([], []))


def test_numbers_and_times_are_formatted():
    formatted = [number(value) for value in (1234.5678, 0.123456, 12, 0, -0.0375, 1e9, None, math.nan)]
    assert formatted == ["1,235", "0.123", "12", "0", "-0.037", "1e+09", "–", "–"]  # noqa: RUF001
    assert (share(0.5), share(None)) == ("50%", "–")  # noqa: RUF001
    assert [format_time(seconds) for seconds in (12.4, 250, 3780, -5, math.inf)][:4] == [
        "12 s",
        "4 min 10 s",
        "1 h 03 min",
        "0 s",
    ]


def test_text_is_escaped(tmp_path):
    (tmp_path / "it.html").write_text('{% extends "base.html" %}{% block content %}{{ word }}{% endblock %}')
    html = page(tmp_path, "it.html", title="</title><script>", version="1", word='<img src="x">')
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;img src=&#34;x&#34;&gt;" in html
    assert data_uri(b"ab", "image/png") == "data:image/png;base64,YWI="
