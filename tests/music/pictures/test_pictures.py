"""Pictures of rolls: every note at its place, onsets, grid, files, and inputs that are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.pictures import (
    colours,
    draw_phrase,
    draw_sheet,
    png_bytes,
    save_curves,
    save_phrase,
    save_roll,
    save_rolls,
    save_timelapse,
    used_rows,
)
from bgmusic.music.pictures.phrase import _row_names, png
from bgmusic.music.pictures.raster import band_tops, draw, shade
from bgmusic.music.pictures.sheet import sheet_picture
from bgmusic.music.pictures.timelapse import timelapse
from bgmusic.music.rolls.joining import split_lines
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import Track, TrackSet

BAND = TrackSet("band", (Track("Drums", 0, True), Track("Piano", 0), Track("Bass", 33)), low=30, pitches=40)


def random_roll(density, seed, onsets=True):
    rng = np.random.default_rng(seed)
    shape = (3, 2, 8, 40)
    cells = rng.random(shape) < density
    cells |= np.roll(cells, 1, axis=2)
    return Roll(BAND, 4, cells, (cells & (rng.random(shape) < 0.4)) if onsets else None)


def check_pixels(roll, rows, width, height):
    """Check the drawing of each note: its row, its length and its onset edge; and that nothing else is drawn."""
    picture = draw(roll, rows, width, height)
    tops = band_tops(rows, height)
    seen = np.zeros(picture.shape, bool)
    for track, onset, duration, pitch in roll.notes().tolist():
        low, high = rows[track]
        row = pitch - roll.low
        assert low <= row <= high
        y = tops[track] + (high - row) * height + height // 2  # the middle of its row
        line = picture[y, onset * width : (onset + duration) * width]
        drum = roll.track_set.tracks[track].is_drum
        held, edge = colours.held(track), colours.held(track) + 1
        whole = width if drum else max(1, width // 3)
        # A note that began before the roll has no onset edge.
        begins = roll.onsets is None or roll.onsets[track].reshape(-1, roll.cells.shape[-1])[onset, row]
        expected = np.full(duration * width, held)
        if begins:
            expected[:whole] = edge
        np.testing.assert_array_equal(line, expected)
        seen[y, onset * width : (onset + duration) * width] = True
    # No other row has a track's colour.
    for track, (low, high) in enumerate(rows):
        for row in range(high - low + 1):
            y = tops[track] + row * height + height // 2
            assert not ((picture[y] >= colours.held(0)) & ~seen[y]).any()


@pytest.mark.parametrize(("width", "height"), [(1, 2), (4, 5), (9, 3)])
@pytest.mark.parametrize("density", [0.0, 0.05, 0.5])
def test_every_note_is_drawn_and_nothing_else(width, height, density):
    for onsets in (True, False):
        roll = random_roll(density, 7, onsets)
        if onsets:  # as in corpora, every cell of a drum track is an onset
            roll.cells[0] = roll.onsets[0]
        check_pixels(roll, used_rows([roll]), width, height)


@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_real_phrases(name):
    roll = open_corpus(name).roll(1500)
    check_pixels(roll, used_rows([roll]), 3, 4)


def test_a_held_note_and_repeated_ones_differ():
    cells = np.zeros((3, 1, 8, 40), bool)
    cells[1, 0, :, 10] = True
    onsets = np.zeros_like(cells)
    onsets[1, 0, 0, 10] = True
    held = Roll(BAND, 4, cells, onsets)
    again = onsets.copy()
    again[1, 0, 4, 10] = True
    repeated = Roll(BAND, 4, cells, again)
    rows = used_rows([held])
    one, two = (draw(roll, rows, 6, 6) == colours.held(1) + 1 for roll in (held, repeated))
    assert np.flatnonzero(one.any(0)).tolist() == [0, 1]
    assert np.flatnonzero(two.any(0)).tolist() == [0, 1, 24, 25]


def test_lines_stand_before_bars_beats_and_below_each_c():
    empty = random_roll(0, 0)
    rows = ((0, 39), (0, 39), (0, 5))
    picture = draw(empty, rows, 5, 4)
    bars = np.flatnonzero((picture[: 40 * 4] == colours.BAR).all(0))
    assert bars.tolist() == [0, 40]
    beats = np.flatnonzero(picture[1] == colours.BEAT)  # a white row of drums
    assert beats.tolist() == [20, 60]
    top = band_tops(rows, 4)[1]
    octaves = np.flatnonzero(picture[top : top + 160, 1] == colours.OCTAVE) + 1
    # The grid is 30 to 69: below the cells of 60 (C4), 48 (C3), 36 (C2).
    assert octaves.tolist() == [(69 - pitch + 1) * 4 for pitch in (60, 48, 36)]
    names = dict(_row_names(empty, 1, rows[1], 4))
    assert names == {(69 - pitch) * 4 + 2: f"C{octave}" for octave, pitch in ((4, 60), (3, 48), (2, 36))}
    assert not dict(_row_names(empty, 0, rows[0], 8)), "no drum strikes"
    empty.cells[0, 0, 0, 6] = True
    assert list(dict(_row_names(empty, 0, rows[0], 8)).values()) == ["kick"]


def test_used_rows_show_at_least_an_octave_and_every_note():
    cells = np.zeros((3, 1, 8, 40), bool)
    cells[1, 0, 0, 39] = True
    roll = Roll(BAND, 4, cells)
    drums, piano, bass = used_rows([roll])
    assert piano == (28, 39)
    assert drums == bass == (0, 5)
    other = Roll(BAND, 4, np.roll(cells, 1, axis=3))  # now the lowest row
    assert used_rows([roll, other])[1] == (0, 39)


def test_preactivated_outputs_become_shades():
    roll = random_roll(0.1, 3)
    values = np.zeros(roll.cells.shape, np.float32)
    values[1, 0, 2, 20], values[1, 0, 3, 20], values[1, 0, 4, 20] = 1, 0.5, 7
    rows = ((0, 39),) * 3
    picture = shade(roll, values, rows, 4, 4)
    table = colours.palette([True, False, False])
    y = band_tops(rows, 4)[1] + (39 - 20) * 4 + 1
    full = table[colours.held(1) + 1]
    np.testing.assert_array_equal(picture[y, 2 * 4 + 1], full)
    np.testing.assert_array_equal(picture[y, 4 * 4 + 1], full)  # values above 1 are clipped
    ground = table[colours.BLACK_KEY if (20 + 30) % 12 in (1, 3, 6, 8, 10) else colours.PAPER].astype(float)
    np.testing.assert_allclose(picture[y, 3 * 4 + 1], (ground + full) / 2, atol=1)
    np.testing.assert_allclose(picture[y, 5 * 4 + 1], ground)
    assert draw_phrase(roll, rows, "preactivated", values).size == draw_phrase(roll, rows).size


def test_files_are_pictures(tmp_path):
    rolls = [random_roll(0.1, seed) for seed in range(5)]
    save_phrase(tmp_path / "phrase.png", rolls[0])
    assert save_rolls(tmp_path / "sheet.png", rolls) == 5
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "phrase.png") as phrase:
        assert len(np.unique(np.asarray(sheet.convert("RGB")).reshape(-1, 3), axis=0)) > 5
        assert 640 <= phrase.width < 800
    _, shown = draw_sheet(rolls, pixels=1)
    assert shown == 1
    curves = {"polyphony": {"run": ([0.0, 1.0], [0.2, 0.3])}}
    save_curves(tmp_path / "curves.png", curves, {"polyphony": 0.5})
    with Image.open(tmp_path / "curves.png") as figure:
        assert min(figure.size) > 200


def test_a_long_roll_is_cut_and_one_of_one_step_is_drawn():
    long = Roll(BAND, 4, np.ones((3, 3000, 16, 40), bool))
    picture = draw_phrase(long)
    assert picture.width * picture.height < 1 << 26
    assert draw_phrase(Roll(BAND, 1, np.ones((3, 1, 1, 40), bool))).width > 640


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_a_timelapse_has_all_frames_of_one_size(kind, tmp_path):
    frames = [
        (step, [random_roll(density, step), random_roll(density, step + 1)])
        for step, density in ((0, 0.5), (10, 0.1), (20, 0))
    ]
    path = tmp_path / f"lapse.{kind}"
    save_timelapse(path, frames)
    with Image.open(path) as film:
        assert film.n_frames == 3
        shown = []
        for number in range(3):
            film.seek(number)
            shown.append(np.asarray(film.convert("RGB")).astype(int))
        assert film.info["loop"] == 0  # forever
    # Each frame shows its own notes, fewer in each.
    inked = [int((picture.max(2) - picture.min(2) > 60).sum()) for picture in shown]
    assert inked[0] > 2 * inked[1] > 0
    assert inked[2] == 0


def test_long_timelapses_are_thinned_and_invalid_ones_refused(tmp_path):
    roll = random_roll(0.1, 0)
    film = timelapse([(step, [roll]) for step in range(200)])
    with Image.open(io.BytesIO(film)) as opened:
        assert opened.n_frames <= 60
    with pytest.raises(UserError, match="at least one frame"):
        timelapse([])
    with pytest.raises(UserError, match="suffix"):
        save_timelapse(tmp_path / "lapse.mp4", [(0, [roll])])
    assert not list(tmp_path.iterdir())


def test_names_are_not_formatted_as_mathematics(tmp_path):
    curves = {"my$^$run": ([0, 1], [0, 1]), "_run": ([0, 1], [1, 0]), "cost_$5_$6": ([0, 1], [1, 1])}
    save_curves(tmp_path / "curves.png", {r"$\q$": curves}, {})
    odd = TrackSet("odd", (Track("two\nlines", 0),), low=30, pitches=40)
    cells = np.zeros((1, 2, 16, 40), np.bool_)
    save_rolls(tmp_path / "rolls.png", [Roll(odd, 4, cells, None)])
    for name in ("curves", "rolls"):
        Image.open(tmp_path / f"{name}.png").verify()


def test_a_roll_becomes_one_picture(tmp_path):
    short = random_roll(0.1, 1)
    save_roll(str(tmp_path / "short.png"), short)
    assert (tmp_path / "short.png").read_bytes() == png_bytes(short) == png(draw_phrase(short))
    cells = np.zeros((3, 34, 16, 40), bool)
    long = Roll(BAND, 4, cells, cells)
    with Image.open(io.BytesIO(png_bytes(long))) as picture:
        lines = sheet_picture(split_lines(long, 12), columns=1)[0]
        gutter = picture.width - lines.width
        assert (gutter, picture.height) > (0, lines.height - 1)
        assert np.array_equal(np.asarray(picture.convert("RGB"))[:, gutter:], np.asarray(lines.convert("RGB")))
        numbers = np.asarray(picture)[:, :gutter] != colours.PAPER
    starts = np.flatnonzero(np.diff(numbers.any(1).astype(int), prepend=0) == 1)
    assert len(starts) == 3, "bars 1, 13 and 25"
    assert np.ptp(np.diff(starts)) <= 2


def test_invalid_inputs_are_refused(tmp_path):
    roll, other = random_roll(0.1, 1), Roll(BAND, 4, np.zeros((3, 1, 8, 40), bool))
    rows = used_rows([roll])
    path = tmp_path / "picture.png"
    for call, says in (
        (lambda: save_roll(path, roll.cells), "must be a Roll"),
        (lambda: draw_phrase(roll.cells), "must be a Roll"),
        (lambda: save_rolls(path, []), "no rolls"),
        (lambda: save_rolls(path, [roll, other]), "roll 1 is"),
        (lambda: save_rolls(path, [roll], columns=0), "columns"),
        (lambda: used_rows([]), "no rolls"),
        (lambda: draw_phrase(roll, rows[:2]), "rows"),
        (lambda: draw_phrase(roll, ((0, 40),) * 3), "rows"),
        (lambda: draw_phrase(roll, preactivated=roll.cells), "bool"),
        (lambda: draw_phrase(roll, preactivated=np.zeros((3, 2, 8, 39), np.float32)), "39"),
        (lambda: draw_phrase(roll, preactivated=np.full(roll.cells.shape, np.nan)), "NaN"),
        (lambda: save_timelapse(tmp_path / "lapse.gif", [(0, [roll]), (1, [other])]), "roll 1 is"),
        (lambda: timelapse([(0, [roll])], "JPEG"), "JPEG"),
        (lambda: save_curves(path, {}, {}), "panel"),
        (lambda: save_curves(path, {"loss": {"run": ([0, 1], [0.5])}}, {}), "2 steps"),
    ):
        with pytest.raises(UserError, match=says):
            call()
    assert not list(tmp_path.iterdir())
