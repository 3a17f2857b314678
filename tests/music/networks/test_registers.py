"""Test that a composer knows, and its critic hears, by how much a phrase is transposed."""

from __future__ import annotations

import pytest
import torch
from composers import SATB, causal, random_phrases

from bgmusic.music.networks.causal.critic import RULE
from bgmusic.music.networks.causal.critic_ahead import Known
from bgmusic.music.networks.causal.steps import by_step, describe_steps
from bgmusic.music.networks.composer.draft import to_draft
from bgmusic.music.networks.keys import KEYS, key_of, pitch_classes, to_common


def test_a_critic_weighs_pitches_in_every_key() -> None:
    network = causal(SATB, "two-stage", registers=True)
    assert network.critic is not None
    critic = network.critic.blank
    assert critic.registers is not None
    draft = to_draft(random_phrases(SATB)[:1], SATB)
    free = [parameter for name, parameter in critic.named_parameters() if name.startswith(("judge", "rules"))]
    lines = torch.where(draft.cells.any(-1), draft.cells.shape[-1] - 1 - draft.cells.flip(-1).argmax(-1), -1)[0]
    with torch.no_grad():
        for parameter in free:
            parameter.zero_()
        weights = torch.randn(critic.registers.weight.shape, generator=torch.Generator().manual_seed(0))
        critic.registers.weight.copy_(weights)
        table = weights.view(len(SATB.track_set), -1) * RULE
        expected = sum(table[track, row] for track, line in enumerate(lines.tolist()) for row in line)  # -1: the last
        for key in range(12):
            keys = torch.tensor([key])
            cells, onsets = by_step(draft.map(lambda plane, keys=keys: to_common(plane, keys, SATB)))
            known = Known(
                torch.zeros(1, cells.shape[1], 2, cells.shape[3], dtype=torch.bool),
                torch.full(cells.shape[:3], -1),
                torch.tensor([key if key <= 6 else key - 12]),
            )
            logits = critic(describe_steps(cells, onsets), cells, known)
            assert torch.allclose(logits[0, -1], torch.as_tensor(expected), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("registers", [False, True])
def test_a_draft_is_shown_its_transposition(registers: bool) -> None:
    network, draft = causal(SATB, registers=registers), to_draft(random_phrases(SATB)[:1], SATB)
    opened = torch.ones(1, len(SATB.track_set), SATB.bars * SATB.beats, dtype=torch.bool)
    own = int(key_of(pitch_classes(draft.cells, SATB)))
    shown = (own + 3) % KEYS
    for frame, rows in (
        (shown, {KEYS + 9, *([shown] if registers else [])}),
        (own, {own, *([KEYS] if registers else [])}),
    ):
        network.zero_grad()
        network.nats(draft, opened, None, torch.tensor([frame])).sum().backward()
        assert network.key.weight.grad is not None
        assert set(network.key.weight.grad.any(1).nonzero().flatten().tolist()) == rows
