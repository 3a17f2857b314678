"""Test endings: what they decide of music that is heard, and pieces that end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import bgmusic as command
from command_line import refusal
from tiny_runs import make_run

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.composing.endings import faults, with_ending
from bgmusic.music.plans.plan import Plans
from bgmusic.music.plans.shape import PlanShape
from bgmusic.music.plans.typed import typed_plan
from bgmusic.music.rolls.shape import RollShape

SHAPE = RollShape(track_set="satb", resolution=1, bars=3, steps=4, encoding="onset")
CAUSAL = {"kind": "causal", "width": 16, "layers": 1, "encoder_layers": 1, "heads": 2, "hidden": 16}
C, G, A_MINOR, D = {0, 4, 7}, {7, 11, 2}, {9, 0, 4}, {2, 6, 9}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "causal", SHAPE, CAUSAL)


def _music(chords: list[list[int]], bars: int = 4) -> torch.Tensor:
    """Play a chord of the upper three voices over its root, on each beat, in the first bars; then nothing."""
    channels = torch.zeros(1, 8, bars, 4, SHAPE.pitches, dtype=torch.bool)
    for bar, chord in enumerate(chords):
        for track, pitch in zip((3, 2, 1, 0), chord, strict=False):
            channels[:, [track, track + 4], bar, :, pitch - SHAPE.track_set.low] = True
    return channels


def _chord(plans: Plans, beat: int) -> tuple[set[int], int | None]:
    """Return the pitch classes and the bass that are planned for a beat; nothing where it is open."""
    bits = plans.harmony[0, beat]
    bass = np.flatnonzero(bits[12:])
    return set(np.flatnonzero(bits[:12]).tolist()), int(bass[0]) if len(bass) else None


@pytest.mark.parametrize(
    ("chords", "key", "tonic", "root", "dominant", "fifth"),
    [
        ([[48, 64, 67, 72], [43, 59, 62, 67]], None, C, 0, G, 7),
        ([[45, 60, 64, 69], [45, 60, 64, 69], [52, 59, 62, 67]], None, A_MINOR, 9, {4, 8, 11}, 4),
        ([[48, 64, 67, 72], [43, 59, 62, 67]], "D", D, 2, {9, 1, 4}, 9),
    ],
)
def test_endings_are_in_the_key_that_is_heard_or_said(
    chords: list[list[int]], key: str | None, tonic: set[int], root: int, dominant: set[int], fifth: int
) -> None:
    from bgmusic.music.plans.roman import parse_key

    size, heard = PlanShape.of(SHAPE), len(chords)
    plan = typed_plan(size, key=None if key is None else parse_key(key))
    plans = with_ending(plan.repeated(1), _music(chords, 5), 2, heard, 4, SHAPE)
    assert [_chord(plans, beat) for beat in range(8, 12)] == [(tonic, root)] * 4  # bar 3 of the window
    assert _chord(plans, 7) == (dominant, fifth)
    assert not plans.harmony_known[0, :7].any()
    assert plans.activity_known[0, :, 2].all()
    assert (plans.activity[0, :, 2] == (np.arange(8) < 1)).all()


def test_what_a_plan_says_of_the_last_bar_stays() -> None:
    plan = typed_plan(PlanShape.of(SHAPE), chords="? | ? | F", instruments="Bass:xx-", activity="Tenor:? ? 3")
    plans = with_ending(plan.repeated(1), _music([[48, 64, 67, 72]]), 1, 2, 3, SHAPE)
    assert [_chord(plans, beat) for beat in range(8, 12)] == [({5, 9, 0}, 5)] * 4
    assert not plans.harmony_known[0, 7]
    assert not plans.instruments[0, 3, 2]
    assert plans.activity[0, 2, 2].sum() == 3


def test_tracks_that_have_not_played_may_rest_and_composed_bars_stay() -> None:
    music = _music([[48, 64], [48, 64], [48, 64]])  # bass and tenor
    plans = with_ending(Plans.unknown(PlanShape.of(SHAPE), 1), music, 1, 3, 3, SHAPE)
    assert plans.instruments_known[0, :, 2].tolist() == [False, False, True, True]
    assert not plans.harmony_known[0, :8].any()  # the bar before is composed already
    assert plans.harmony_known[0, 8:].all()


def test_tracks_that_do_not_hold_the_last_chord_are_counted() -> None:
    plans = with_ending(Plans.unknown(PlanShape.of(SHAPE), 1), _music([[48, 64, 67, 72]] * 2, 4), 1, 2, 3, SHAPE)
    made = _music([[48, 64, 67, 72]] * 3, 3)
    made[:, 4:, 2, 1:] = False  # held
    assert faults(plans, made, 2, SHAPE).tolist() == [0]
    made[:, 1 + 4, 2, 2] = True  # the alto strikes again
    assert faults(plans, made, 2, SHAPE).tolist() == [1]
    made[:, [0, 4], 2] = made[:, [0, 4], 2].roll(1, -1)  # the soprano leaves the chord
    assert faults(plans, made, 2, SHAPE).tolist() == [2]
    made[:, [3, 7], 2, 1:] = False  # the bass ends early
    assert faults(plans, made, 2, SHAPE).tolist() == [3]
    assert faults(Plans.unknown(PlanShape.of(SHAPE), 1), made, 2, SHAPE).tolist() == [0], "nothing is planned"


def test_shipped_endings_hold_the_tonic() -> None:
    for piece in bgmusic.load("bach", drafts=2).generate(3, bars=5, ending=True, seed=8):
        last = piece.cells[:, -1]
        assert (last == last[:, :1]).all()
        assert last[3].any()


def test_pieces_that_end_begin_like_those_that_do_not(run: Path) -> None:
    composer = bgmusic.load(run)
    ends, goes_on = (composer.generate(3, bars=6, seed=1, ending=ending) for ending in (True, False))
    for one, other in zip(ends, goes_on, strict=True):
        assert (one.cells[:, :4] == other.cells[:, :4]).all()
    (alone,) = composer.generate(1, bars=6, seed=1, first=2, ending=True)
    assert (alone.cells == ends[2].cells).all()
    plan = composer.plan(bars=6, form="AB", complete=False)
    (piece,) = composer.compose(plan, ending=True)
    assert piece.bars == 6


def test_chorales_end_on_their_tonic() -> None:
    composer = bgmusic.load("bach")
    for piece in composer.generate(2, bars=7, seed=5, ending=True):
        pitches = [np.flatnonzero(piece.cells[track, -1, -1]) + piece.track_set.low for track in range(4)]
        assert all(len(found) == 1 for found in pitches)
        classes = {int(found[0]) % 12 for found in pitches}
        bass = int(pitches[3][0]) % 12
        assert {(note - bass) % 12 for note in classes} <= {0, 3, 4, 7}
        assert piece.onsets is not None
        assert piece.onsets[:, -1].any(-1).sum(1).max() <= 4


def test_mistakes(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    composer = bgmusic.load(run)
    with pytest.raises(UserError, match="needs 4 bars or more"):
        composer.generate(1, ending=True)
    assert "4 bars or more" in refusal(capsys, "compose", run, "--bars", 3, "--ending", "--out", tmp_path / "a")
    assert "--free" in refusal(capsys, "compose", run, "--ending", "--free", "all", "--out", tmp_path / "a")
    plain = make_run(tmp_path / "plain", SHAPE)
    assert "plans" in refusal(capsys, "generate", plain, "--bars", 6, "--ending", "--out", tmp_path / "a")
    assert command("generate", run, "--bars", 6, "--ending", "-n", 1, "--out", tmp_path / "b") == 0
    assert command("compose", run, "--bars", 6, "--ending", "--out", tmp_path / "c") == 0
    piece = tmp_path / "b" / "piece-0000.mid"
    given = ("--given", piece, "--track", "Soprano")
    assert "given track" in refusal(capsys, "compose", run, *given, "--ending", "--out", tmp_path / "d")
