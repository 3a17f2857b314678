"""Pictures of the phrases that the learned judge finds least real."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from small_phrases import melody, phrases

from bgmusic.errors import UserError
from bgmusic.music.judging.judge import Judged, Place
from bgmusic.music.pictures import colours
from bgmusic.music.pictures.phrase import draw_phrase
from bgmusic.music.report.marked_phrases import SHOWN, marked_figures, marks_of, save_marked

EVIDENCE = ((0.5, -0.2), (-0.8, 0.0))


@pytest.fixture
def samples():
    return phrases(*[melody(60, 62, 64, 65, 67, 69, 71, 72)] * 12, bars=2)


def judged(number):
    places = tuple(Place(phrase, 0, "Bass", -2.0 - phrase, EVIDENCE) for phrase in range(11, 11 - number, -1))
    return Judged(0.9, 0.8, 1.0, 0.95, 3, places)


def test_evidence_against_a_phrase_is_relative_to_the_strongest():
    np.testing.assert_allclose(marks_of(Place(0, 0, "Bass", -1.0, EVIDENCE)), [[0, 0.25], [1, 0]])
    assert not marks_of(Place(0, 0, "Bass", -1.0, ((0.1, 0.0),))).any()


def test_marks_tint_the_paper_and_frame_the_strongest(samples):
    roll = samples.roll(0)
    plain, marked = (
        np.array(draw_phrase(roll, marks=marks)).astype(int)
        for marks in (None, marks_of(Place(0, 0, "Bass", -1.0, EVIDENCE)))
    )
    changed = (plain != marked).any(-1)
    # Soprano, bar 1: no mark; the marks are at the bottom left and the top right.
    height, width = changed.shape
    assert not changed[: height // 3, : width // 2].any()
    assert changed[-height // 4 :, width // 4 : width // 2].any()
    assert changed[height // 4 : height // 3, -width // 4 :].any()
    assert not changed[-height // 4 :, -width // 4 :].any()
    framed = (marked == np.array(colours.MARK)).all(-1)
    assert framed.any()
    assert not framed[:, -width // 4 :].any()
    notes = (plain < 200).any(-1) & ~framed
    assert not (changed & notes).any()


def test_marks_of_another_form_are_refused(samples):
    for marks, message in (
        (np.zeros((2, 2), np.int64), "floating-point"),
        (np.zeros((3, 2), np.float32), r"\(2, 2\)"),
        (np.full((2, 2), 1.5, np.float32), "between 0 and 1"),
        (np.full((2, 2), np.nan, np.float32), "between 0 and 1"),
    ):
        with pytest.raises(UserError, match=message):
            draw_phrase(samples.roll(0), marks=marks)


def test_figures_and_files_of_the_least_real_phrases(samples, tmp_path):
    shown = marked_figures(judged(10), samples)
    assert [figure.title for figure in shown] == [f"Phrase {number}" for number in range(12, 12 - SHOWN, -1)]
    assert shown[0].note.startswith("Least real: bar 1, Bass. Mean logit -13.0")
    written = save_marked(tmp_path / "figures", judged(2), samples)
    assert [path.name for path in written] == ["phrase-0012.png", "phrase-0011.png"]
    with Image.open(written[0]) as picture:
        assert picture.size == (shown[0].width, shown[0].height)
