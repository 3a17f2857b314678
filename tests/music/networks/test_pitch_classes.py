"""Test weights of pitch classes: what they count, how drafts are judged by them, and what learns."""

from __future__ import annotations

import pytest
import torch
from composers import BAND, SATB, causal, random_phrases
from pydantic import ValidationError
from torch import Tensor

from bgmusic.errors import UserError
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal.pitch_classes import BEATS, ClassWeights, JudgedClasses, sounding_classes
from bgmusic.music.networks.causal.steps import by_step
from bgmusic.music.networks.composer.draft import to_draft


def spread() -> ClassWeights:
    """Make weights that are random, instead of zero."""
    weights = ClassWeights()
    with torch.no_grad():
        for weight in weights.parameters():
            weight.normal_()
    return weights


def test_phrases_gain_by_each_class_that_enters_and_each_beat_in_which_it_sounds() -> None:
    weights = spread()
    beats = [{0}, {0, 4}, set[int](), {0, 7}, *[{0}] * BEATS]
    sounding = torch.tensor([[[pitch in beat for pitch in range(12)] for beat in beats]])
    entering, of_beat = weights.entering.tolist(), weights.beats.tolist()
    expected = sum(entering[:3]) + sum(of_beat[:BEATS]) + 2 * of_beat[0]  # class 0 in many beats, 4 and 7 in one each
    assert float(weights(sounding).detach()) == pytest.approx(expected, abs=1e-5)


def test_drums_have_no_pitch_class() -> None:
    phrases = torch.zeros_like(random_phrases(BAND, 1))
    drum, pitched = (list(BAND.drums).index(drums) for drums in (True, False))
    phrases[0, drum, 0, 0, 3] = 1
    assert not sounding_classes(by_step(to_draft(phrases, BAND))[0], BAND).any()
    phrases[0, pitched, 0, BAND.unit, 3] = 1
    found = sounding_classes(by_step(to_draft(phrases, BAND))[0], BAND)
    assert found.sum() == found[0, 1].sum() == 1


def test_drafts_are_judged_beat_by_beat_as_whole_phrases_are() -> None:
    weights, phrases = spread(), random_phrases(SATB, 5, 0.03)
    cells, starts = by_step(to_draft(phrases, SATB))
    assert starts is not None

    class Nothing:
        def __call__(self, cells: Tensor, starts: Tensor) -> Tensor:
            return torch.zeros(len(cells))

        def replace(self, places: Tensor, rows: Tensor) -> None: ...

    def judged(judge: JudgedClasses, rows: Tensor, beats: range) -> Tensor:
        for beat in beats:
            here = slice(beat * SATB.unit, (beat + 1) * SATB.unit)
            logits = judge(cells[rows][:, here], starts[rows][:, here])
        return logits

    with torch.no_grad():
        whole, order = weights(sounding_classes(cells, SATB)), torch.arange(5)
        judge, beats = JudgedClasses(Nothing(), weights, SATB, 5), SATB.bars * SATB.beats
        torch.testing.assert_close(judged(judge, order, range(beats)), whole)
        judge = JudgedClasses(Nothing(), weights, SATB, 5)
        judged(judge, order, range(beats // 2))
        judge.replace(torch.tensor([0, 1]), torch.tensor([3, 4]))
        order = torch.tensor([3, 4, 2, 3, 4])
        torch.testing.assert_close(judged(judge, order, range(beats // 2, beats)), whole[order])


def beats_of_classes(network: CausalComposer, free: Tensor, noise: Tensor) -> float:
    made = network.accompany(torch.zeros(len(noise), *random_phrases(SATB, 1).shape[1:]), free, noise)
    return float(sounding_classes(by_step(to_draft(made, SATB))[0], SATB).float().sum((1, 2)).mean())


@pytest.mark.parametrize("blank", [True, False])
def test_weights_change_how_many_classes_sound(blank: bool) -> None:
    network = causal(SATB, "two-stage", drafts=6, pitch_classes=True, sketches=0)
    assert network.classes is not None
    noise = torch.randn(8, network.latent, generator=torch.Generator().manual_seed(5))
    free = torch.ones(8, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    free[:, 0] = blank
    chosen, other = (network.classes.blank, network.classes.known)[:: 1 if blank else -1]
    before = beats_of_classes(network, free, noise)
    with torch.no_grad():
        other.beats.fill_(-5.0)
        assert beats_of_classes(network, free, noise) == before
        found = []
        for weight in (-5.0, 0.0, 5.0):
            chosen.beats.fill_(weight)
            found.append(beats_of_classes(network, free, noise))
    assert found[0] < found[1] == before < found[2]


def test_the_number_of_classes_is_learnt() -> None:
    network = causal(SATB, "two-stage", drafts=4, pitch_classes=True, learns="pitch-classes", contrast="composed")
    assert network.classes is not None
    learnt = [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert learnt
    assert all(name.startswith("classes.") for name in learnt)
    real = torch.zeros_like(random_phrases(SATB, 8))
    real[:, :4, :, :, 5] = 1  # all tracks play one class
    optimizer = torch.optim.Adam(network.classes.parameters(), 0.1)
    for step in range(6):
        loss = network.train().imitation(real, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for weights in (network.classes.blank, network.classes.known):
        assert weights.entering[1] < 0
        assert weights.entering[0].item() == pytest.approx(0, abs=1e-6)  # it enters in all phrases


def test_what_learns_must_be_there() -> None:
    with pytest.raises(ValidationError, match="pitch_classes"):
        causal(SATB, "two-stage", learns="pitch-classes")
    with pytest.raises(UserError, match="two-stage"):
        causal(SATB, learns="pitch-classes", pitch_classes=True)
