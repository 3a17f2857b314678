"""Test critics that learn from what is composed under them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bgmusic.music.networks.build import make_generator
from bgmusic.music.networks.causal.critic import likelihood_loss
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.pianoroll_config import PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.music.rolls.tracks import Track, TrackSet

_SIZES: dict[str, Any] = {"width": 16, "layers": 1, "encoder_layers": 1, "heads": 2, "hidden": 16, "critic_channels": 8}
_TRACKS = TrackSet("two", (Track("A", program=0, low=60, high=62), Track("B", program=1, low=60, high=62)), 60, 3)
_SHAPE = RollShape(track_set=_TRACKS, resolution=1, bars=2, steps=4, encoding="onset")


def composer(shape: RollShape = _SHAPE, **changes: Any) -> CausalComposer:
    """Make an untrained composer whose critics learn from what is composed under them."""
    settings = {"contrast": "composed", "drafts": 8, **_SIZES, **changes}
    torch.manual_seed(0)
    network = make_generator(PianorollConfig(network=CausalConfig(**settings), strategy="two-stage"), shape)
    assert isinstance(network, CausalComposer)
    network.see(pairs(4)[:, :: 2 // len(shape.track_set)])
    return network


def pairs(batch: int, seed: int = 0) -> Tensor:
    """Make phrases in which both tracks strike the lowest pitch, or the highest, in every step."""
    rng = torch.Generator().manual_seed(seed)
    rows = 2 * torch.randint(2, (batch, 2, _SHAPE.bars, _SHAPE.steps), generator=rng)
    notes = torch.nn.functional.one_hot(rows, 3).float()
    return torch.cat([notes, notes], 1)


def share_of_strikes(network: CausalComposer) -> float:
    noise = torch.randn(200, network.latent, generator=torch.Generator().manual_seed(1))
    return float(network.eval()(noise)[:, 2:].any(-1).float().mean())


def test_what_is_composed_comes_nearer_to_real_phrases() -> None:
    network = composer(blank=1.0, unplanned=1.0).train()
    before = share_of_strikes(network)
    optimizer = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], 0.01)
    rng = torch.Generator().manual_seed(0)
    for step in range(25):
        network.train()
        optimizer.zero_grad()
        network.imitation(pairs(32, step), rng).backward()
        optimizer.step()
    assert before < 0.6
    assert share_of_strikes(network) > (1 + before) / 2  # of real phrases: 1


@pytest.mark.parametrize("blank", [0.0, 0.5, 1.0])
def test_energies_are_without_dropout_and_each_critic_learns_from_its_own_phrases(blank: float) -> None:
    losses = []
    for dropout in (0.0, 0.9):
        network = composer(critic_dropout=dropout, blank=blank, unplanned=1.0).train()
        loss = network.imitation(pairs(16), torch.Generator().manual_seed(0))
        loss.backward()
        losses.append(float(loss.detach()))
        assert network.training
        assert network.critic is not None
        learns = [
            any(weight.grad is not None and bool(weight.grad.any()) for weight in critic.parameters())
            for critic in (network.critic.blank, network.critic.known)
        ]
        assert learns[0] or blank == 0
        assert learns[1] == (blank < 1)
    assert losses[0] == losses[1]


@pytest.mark.parametrize("tracks", [1, 2])
def test_one_critic_alone_learns_where_something_is_always_known(tracks: int) -> None:
    shape = _SHAPE.model_copy(update={"track_set": TrackSet("some", _TRACKS.tracks[:tracks], 60, 3)})
    network = composer(shape, blank=1.0, unplanned=0.7, known_only=True).train()
    for seed in range(3):
        phrases = pairs(32, seed)[:, :: 2 // tracks]
        network.imitation(phrases, torch.Generator().manual_seed(seed)).backward()
    assert network.critic is not None
    assert all(weight.grad is None and not weight.requires_grad for weight in network.critic.blank.parameters())
    assert any(weight.grad is not None for weight in network.critic.known.parameters())


def test_the_loss_is_the_difference_of_whole_phrases_mean_logits() -> None:
    real, made = torch.tensor([[9.0, 1.0], [9.0, 2.0]]), torch.tensor([[-9.0, 0.5]])
    assert float(likelihood_loss(real, made)) == -1.0
