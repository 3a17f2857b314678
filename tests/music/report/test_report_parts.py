"""Parts of a report: nearest pairs in one key, frames of a training, preactivated outputs, limits of sound."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases
from bgmusic.music.judging.copying import nearest
from bgmusic.music.report.history import make_stills, read_frames, score_charts, timelapse_uri
from bgmusic.music.report.nearest_pairs import nearest_pairs, transpose
from bgmusic.music.report.neuron_outputs import sample_preactivated
from bgmusic.music.report.phrase_figure import PhraseSounds, describe, make_figure
from bgmusic.music.rolls.phrase_files import write_phrases
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork
from bgmusic.training.runs import Run


@pytest.fixture(scope="module")
def bach():
    return open_corpus("bach")


def shape_of(corpus):
    return corpus.settings.shape


def picture(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_transpose_moves_pitched_notes_only():
    roll = open_corpus("freedoom").roll(1500)
    up = transpose(roll, 3)
    drums = roll.track_set.drum_track
    mine, theirs = roll.notes(), up.notes()
    moved = mine["track"] != drums
    mine["pitch"][moved] += 3
    np.testing.assert_array_equal(mine, theirs)
    assert not transpose(roll, 84).cells[1:].any()
    np.testing.assert_array_equal(transpose(roll, 0).cells, roll.cells)


def test_a_transposed_copy_is_the_nearest_pair(bach):
    numbers = bach.indices("train")[::100]
    training = corpus_phrases(bach, numbers)
    held_out = corpus_phrases(bach, bach.indices("test")[:5])
    samples = corpus_phrases(bach, numbers[[3]])
    samples.cells[:], samples.onsets[:] = np.roll(samples.cells, 1, -1), np.roll(samples.onsets, 1, -1)
    both = corpus_phrases(bach, np.append(bach.indices("test")[:5], numbers[3]))
    both.cells[5:], both.onsets[5:] = samples.cells, samples.onsets
    pairs = nearest_pairs(both, nearest(both, training), bach, numbers, PhraseSounds(0), 2)
    assert pairs[0].share == 1
    assert pairs[0].generated.title == "Generated phrase 6"
    info = bach.info(int(numbers[3]))
    assert pairs[0].training.note == f"{info.source}, from bar {info.bar + 1}, transposed by +1 semitones"
    # A copy in the same key and rows has the same picture.
    np.testing.assert_array_equal(picture(pairs[0].generated.picture), picture(pairs[0].training.picture))
    assert pairs[1].share == pytest.approx(float(nearest(held_out, training).share.max()))
    silence = corpus_phrases(bach, numbers[:1])
    silence.cells[:], silence.onsets[:] = False, False
    assert nearest_pairs(silence, nearest(silence, training), bach, numbers, PhraseSounds(0), 2) == []


def test_frames_are_read_and_invalid_files_are_skipped(bach, tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    for step in range(0, 2000, 20):
        write_phrases(corpus_phrases(bach, np.array([step, step + 1])), folder / f"step-{step:07d}.npz")
    (folder / "step-0000020.npz").write_bytes(b"nothing")
    (folder / "step-x.npz").write_bytes(b"nothing")
    (folder / f"step-{'9' * 40}.npz").write_bytes(b"nothing")
    write_phrases(corpus_phrases(open_corpus("freedoom"), np.arange(2)), folder / "step-0000040.npz")
    history = read_frames(Run(tmp_path), shape_of(bach))
    steps = [step for step, _ in history]
    assert steps == sorted(steps)
    assert 55 <= len(steps) <= 60
    assert (steps[0], steps[-1]) == (0, 1980)
    assert not {20, 40} & set(steps)
    np.testing.assert_array_equal(history[0][1][1].cells, bach.roll(1).cells)
    strip = make_stills(history)
    assert (len(strip), strip[0].step, strip[-1].step) == (6, 0, 1980)
    assert len({(still.width, still.height) for still in strip}) == 1
    assert picture(timelapse_uri(history)).n_frames <= 60
    assert timelapse_uri(history[:1]) is None
    assert make_stills([]) == []


def test_an_oversized_frame_is_skipped(bach, tmp_path):
    (tmp_path / "samples").mkdir()
    phrases = corpus_phrases(bach, np.zeros(2000, np.int64))  # 25 MB of cells, in a file of a few kB
    write_phrases(phrases, tmp_path / "samples" / "step-0000000.npz")
    assert read_frames(Run(tmp_path), shape_of(bach)) == []


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


def test_preactivated_outputs_match_their_phrases(bach):
    shape = shape_of(bach)
    found = sample_preactivated(Half(shape), shape, 0)
    assert len(found) == 2
    for roll, values, rows in found:
        np.testing.assert_array_equal(roll.cells, values > 0.5)
        assert rows[0][0] <= 9
        assert rows[0][1] >= 21  # rows of outputs below the threshold are drawn too
    assert sample_preactivated(SampleNetwork(), shape, 0) == []


def test_the_sound_of_a_page_is_limited(bach):
    roll = bach.roll(0)
    sounds = PhraseSounds(budget=100_000, seconds=1)
    heard = []
    while not heard or heard[-1]:
        heard.append(sounds.render(roll))
    assert 1 <= sum(map(len, filter(None, heard))) <= 100_000
    assert len(heard) > 1
    assert "no room" in sounds.missing
    assert heard[0] is not None
    assert heard[0].startswith("data:audio/mpeg;base64,")
    silent = PhraseSounds()
    assert silent.render(Roll(roll.track_set, 4, np.zeros_like(roll.cells))) is None
    assert silent.missing == ""


def test_a_figure_describes_its_phrase(bach):
    roll = bach.roll(0)
    counts = {
        track.name: int((roll.notes()["track"] == number).sum()) for number, track in enumerate(roll.track_set.tracks)
    }
    words = describe(roll)
    assert all(f"{name} {count}" in words for name, count in counts.items())
    shown = make_figure(roll, "Phrase 1")
    assert shown.alt == f"Phrase 1: piano-roll with {words}"
    assert shown.sound is None
    assert (shown.width, shown.height) == picture(shown.picture).size


def test_score_charts_show_the_value_of_the_data():
    charts = score_charts({"distance": ([0], [3]), "polyphony": ([0], [0.1]), "other": ([0], [1])}, {"polyphony": 0.5})
    assert [drawn.reference is None for drawn in charts] == [True, False, True]
