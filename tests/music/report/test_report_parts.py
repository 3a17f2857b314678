"""The parts of a report: neighbours in one key, frames of a training, decisions, sounds within bounds."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.judging.copying import nearest
from bgmusic.music.report.history import film, frames, score_charts, stills
from bgmusic.music.report.inside import decisions
from bgmusic.music.report.neighbours import closest, transposed
from bgmusic.music.report.shown import Sounds, in_words, show
from bgmusic.music.rolls.phrases import corpus_phrases, write_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.runs import Run


@pytest.fixture(scope="module")
def bach():
    return open_corpus("bach")


def shape_of(corpus):
    settings = corpus.settings
    return RollShape(
        track_set=corpus.track_set,
        resolution=corpus.resolution,
        bars=settings.bars,
        steps=settings.steps,
        encoding=corpus.encoding,
    )


def picture(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_transposed_moves_pitched_notes_alone():
    roll = open_corpus("freedoom").roll(1500)
    up = transposed(roll, 3)
    drums = roll.track_set.drum_track
    mine, theirs = roll.notes(), up.notes()
    moved = mine["track"] != drums
    mine["pitch"][moved] += 3
    np.testing.assert_array_equal(mine, theirs)
    assert not transposed(roll, 84).cells[1:].any()
    np.testing.assert_array_equal(transposed(roll, 0).cells, roll.cells)


def test_the_closest_pair_is_a_copy_in_its_key(bach):
    numbers = bach.indices("train")[::100]
    training = corpus_phrases(bach, numbers)
    held_out = corpus_phrases(bach, bach.indices("test")[:5])
    samples = corpus_phrases(bach, numbers[[3]])
    samples.cells[:], samples.onsets[:] = samples.cells.roll(1, -1), samples.onsets.roll(1, -1)
    both = corpus_phrases(bach, np.append(bach.indices("test")[:5], numbers[3]))
    both.cells[5:], both.onsets[5:] = samples.cells, samples.onsets
    pairs = closest(both, nearest(both, training), bach, numbers, Sounds(0), 2)
    assert pairs[0].share == 1
    assert pairs[0].generated.title == "Generated phrase 6"
    info = bach.info(int(numbers[3]))
    assert pairs[0].training.note == f"{info.source}, from bar {info.bar + 1}, transposed by +1 semitones"
    # In one key and the same rows, a copy looks the same.
    np.testing.assert_array_equal(picture(pairs[0].generated.picture), picture(pairs[0].training.picture))
    assert pairs[1].share == pytest.approx(float(nearest(held_out, training).share.max()))
    silence = corpus_phrases(bach, numbers[:1])
    silence.cells[:], silence.onsets[:] = False, False
    assert closest(silence, nearest(silence, training), bach, numbers, Sounds(0), 2) == []


def test_frames_are_what_a_run_kept_and_strange_files_are_left_out(bach, tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    for step in range(0, 2000, 20):
        write_phrases(corpus_phrases(bach, np.array([step, step + 1])), folder / f"step-{step:07d}.npz")
    (folder / "step-0000020.npz").write_bytes(b"nothing")
    (folder / "step-x.npz").write_bytes(b"nothing")
    (folder / f"step-{'9' * 40}.npz").write_bytes(b"nothing")
    write_phrases(corpus_phrases(open_corpus("freedoom"), np.arange(2)), folder / "step-0000040.npz")
    history = frames(Run(tmp_path), shape_of(bach))
    steps = [step for step, _ in history]
    assert steps == sorted(steps)
    assert 55 <= len(steps) <= 60
    assert (steps[0], steps[-1]) == (0, 1980)
    assert not {20, 40} & set(steps)
    np.testing.assert_array_equal(history[0][1][1].cells, bach.roll(1).cells)
    strip = stills(history)
    assert (len(strip), strip[0].step, strip[-1].step) == (6, 0, 1980)
    assert len({(still.width, still.height) for still in strip}) == 1
    assert picture(film(history)).n_frames <= 60
    assert film(history[:1]) is None
    assert stills([]) == []


def test_a_bomb_among_the_frames_is_left_out(bach, tmp_path):
    (tmp_path / "samples").mkdir()
    phrases = corpus_phrases(bach, np.zeros(2000, np.int64))  # 25 MB of cells, in a file of a few kB
    write_phrases(phrases, tmp_path / "samples" / "step-0000000.npz")
    assert frames(Run(tmp_path), shape_of(bach)) == []


class Half(SampleNetwork):
    """Preactivated outputs of 0.9 in the first track's row 10 and 0.3 in row 20; ones where they are above 0.5."""

    latent = 3

    def __init__(self, shape: RollShape) -> None:
        super().__init__()
        tracks = len(shape.track_set)
        channels = tracks * (2 if shape.encoding == "onset" else 1)
        self.size = (channels, shape.bars, shape.steps, shape.track_set.pitches)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def preactivated(self, noise: torch.Tensor) -> torch.Tensor:
        values = torch.zeros(len(noise), *self.size)
        values[:, 0, :, :, 10], values[:, 0, :, :, 20] = 0.9, 0.3
        return values

    def forward(self, noise: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return (self.preactivated(noise) > 0.5).float()


def test_decisions_stand_beside_what_they_were_made_of(bach):
    shape = shape_of(bach)
    found = decisions(Half(shape), shape, 0)
    assert len(found) == 2
    for roll, values, rows in found:
        np.testing.assert_array_equal(roll.cells, values > 0.5)
        assert rows[0][0] <= 9
        assert rows[0][1] >= 21  # what was nearly said is seen too
    assert decisions(SampleNetwork(), shape, 0) == []


def test_sound_of_a_page_is_bounded(bach):
    roll = bach.roll(0)
    sounds = Sounds(budget=100_000, seconds=1)
    heard = []
    while not heard or heard[-1]:
        heard.append(sounds.of(roll))
    assert 1 <= sum(map(len, filter(None, heard))) <= 100_000
    assert len(heard) > 1
    assert "no room" in sounds.missing
    assert heard[0] is not None
    assert heard[0].startswith("data:audio/mpeg;base64,")
    silent = Sounds()
    assert silent.of(Roll(roll.track_set, 4, np.zeros_like(roll.cells))) is None
    assert silent.missing == ""


def test_a_phrase_in_words(bach):
    roll = bach.roll(0)
    counts = {
        track.name: int((roll.notes()["track"] == number).sum()) for number, track in enumerate(roll.track_set.tracks)
    }
    words = in_words(roll)
    assert all(f"{name} {count}" in words for name, count in counts.items())
    shown = show(roll, "Phrase 1")
    assert shown.alt == f"Phrase 1: piano-roll with {words}"
    assert shown.sound is None
    assert (shown.width, shown.height) == picture(shown.picture).size


def test_scores_stand_beside_the_data():
    charts = score_charts({"distance": ([0], [3]), "polyphony": ([0], [0.1]), "other": ([0], [1])}, {"polyphony": 0.5})
    assert [drawn.reference is None for drawn in charts] == [True, False, True]
