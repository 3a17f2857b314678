"""Test settings that change what is composed, not what is learnt: parallels, and obedience to a planned bass."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from composers import SATB, causal, random_phrases
from torch import Tensor

from bgmusic.music.judging.statistics.counterpoint import FIFTH
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.plan_bits import plan_bits
from bgmusic.music.plans.extract import extract_channels
from bgmusic.music.plans.plan import PARTS, Plans


def _parallels(phrases: Tensor, interval: int) -> int:
    """Count the moves of two voices by the same number of semitones, in octaves or fifths."""
    cells = phrases[:, : len(SATB.track_set)].flatten(2, 3).bool()
    lines = torch.where(cells.any(-1), cells.long().argmax(-1), -1)
    found = 0
    for one, other in combinations(lines.unbind(1), 2):
        for upper, lower in ((a, b) for a, b in zip(one.tolist(), other.tolist(), strict=True)):
            for step in range(1, len(upper)):
                before, now = (upper[step - 1], lower[step - 1]), (upper[step], lower[step])
                moved = now[0] - before[0]
                if min(*before, *now) >= 0 and moved and moved == now[1] - before[1]:
                    found += abs(now[0] - now[1]) % 12 == interval
    return found


def _moving(parallels: float) -> CausalComposer:
    """Make a network whose voices always move, and prefer the interval before."""
    network = causal(SATB, parallels=parallels)
    with torch.no_grad():
        for decoder in network.decoders:
            decoder.change.bias += 10
            decoder.going_on.bias -= 10
            decoder.rows.weight.zero_()
            decoder.rows.bias.zero_()
            decoder.rows.bias[decoder.pitches] -= 10  # no note
            for before in range(12):
                decoder.progress[:, 1, before, before] = 4.0
        network.most.fill_(1)
    return network


def _compose(parallels: float) -> Tensor:
    network = _moving(parallels)
    return network(torch.randn(20, network.latent, generator=torch.Generator().manual_seed(0)))


def test_a_draft_makes_no_parallels() -> None:
    before, now = _compose(0.0), _compose(100.0)
    for interval in (0, FIFTH):
        assert _parallels(before, interval) > 20
        assert _parallels(now, interval) == 0
    assert _parallels(now, 12 - FIFTH) > 20, "fourths are no fifths"


def _classes_of_beats(bass_obedience: float) -> list[list[int]]:
    """Compose under C major chords over E; return the pitch classes that each voice starts on beats."""
    network, nothing = causal(SATB, obedience=1.0, bass_obedience=bass_obedience), np.zeros((8, 8, 2, 16, 48), bool)
    network.most.fill_(1)
    with torch.no_grad():
        for decoder in network.decoders:
            decoder.rows.weight.zero_()
            decoder.rows.bias.zero_()
            decoder.harmony.weight.zero_()
            decoder.harmony.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]))
    plans = extract_channels(nothing, SATB)
    harmony = np.zeros_like(plans.harmony)
    harmony[..., [0, 4, 7, 16]] = True
    open_parts = {name: np.zeros_like(getattr(plans, f"{name}_known")) for name in PARTS}
    plans = Plans(plans.shape, **{**plans.hidden(**open_parts).arrays(), "harmony": harmony,
                                  "harmony_known": np.ones_like(plans.harmony_known)})  # fmt: skip
    free = torch.ones(8, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    noise = torch.randn(8, network.latent, generator=torch.Generator().manual_seed(0))
    made = network.accompany(torch.zeros_like(random_phrases(SATB, 8)), free, noise, plan_bits(plans, SATB))
    onsets = made[:, 4:].unflatten(3, (SATB.beats, SATB.unit))[:, :, :, :, 0]
    return [((row.nonzero()[:, -1] + SATB.track_set.low) % 12).tolist() for row in onsets.unbind(1)]


def test_the_bass_alone_obeys_a_planned_bass_more() -> None:
    before, now = _classes_of_beats(1.0), _classes_of_beats(100.0)
    assert [track.name for track in SATB.track_set.tracks][-1] == "Bass"
    assert {4} == set(now[-1]) < set(before[-1])
    for voice in now[:-1]:
        assert len(set(voice)) > 3


def test_given_voices_are_accompanied_without_the_rule() -> None:
    phrases = random_phrases(SATB, 4)
    free = torch.ones(4, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    free[:2, 0] = False  # the soprano is given in two phrases
    made = []
    for parallels in (0.0, 100.0):
        network = _moving(parallels)
        noise = torch.randn(4, network.latent, generator=torch.Generator().manual_seed(0))
        made.append(network.accompany(phrases, free, noise))
    assert torch.equal(made[0][:2], made[1][:2])
    assert not torch.equal(made[0][2:], made[1][2:])
