"""Test that a causal composer leaves out what needs no computation, and that composing does not disturb a training."""

from __future__ import annotations

import pytest
import torch
from composers import SATB, random_phrases

from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.causal.attention import rotations
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal.tables import TrackTables
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.networks.plan_bits import plan_bits
from bgmusic.music.plans.extract import extract_channels


def composer(strategy: str = "end-to-end") -> CausalComposer:
    sizes = CausalConfig(width=16, layers=1, encoder_layers=1, heads=2, hidden=16, dropout=0.0, drafts=2)
    torch.manual_seed(0)
    network = make_generator(PianorollConfig(network=sizes, strategy=strategy), SATB)
    assert isinstance(network, CausalComposer)
    return network.eval()


def test_tracks_that_a_plan_silences_are_never_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    network, phrases = composer("two-stage"), random_phrases(SATB)
    phrases[:, [1, 5]] = 0  # cells and onsets of the alto
    computed = []
    hidden = TrackTables.hidden

    def counted(tables: TrackTables, *arguments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        computed.append(tables.track)
        return hidden(tables, *arguments)

    monkeypatch.setattr(TrackTables, "hidden", counted)
    free = torch.ones(3, 4, SATB.bars * SATB.beats, dtype=torch.bool)
    noise = torch.randn(3, network.latent, generator=torch.Generator().manual_seed(0))
    made = network.accompany(phrases, free, noise, plan_bits(extract_channels(phrases.numpy() > 0.5, SATB), SATB))
    assert set(computed) == {0, 2, 3}
    assert not made[:, [1, 5]].any()
    assert made[:, [0, 2, 3]].any()


def test_a_composer_learns_after_it_has_composed() -> None:
    network = composer()
    rotations.cache_clear()
    made = network(torch.randn(2, network.latent, generator=torch.Generator().manual_seed(0)))
    assert not made.is_inference()
    network.train().imitation(random_phrases(SATB), torch.Generator().manual_seed(0)).backward()
    assert network.trunk.begin.grad is not None
