"""Generated phrases that a critic is trained on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.gan.draws import batches
from bgmusic.music.networks.causal.critic import Critic
from bgmusic.music.networks.causal.steps import Steps, describe_steps
from bgmusic.music.networks.composer.draft import Draft, to_draft
from bgmusic.music.networks.keys import key_of, pitch_classes, to_common
from bgmusic.music.rolls.shape import RollShape

_BATCH = 16
_SEED = 1


class DraftPool:
    """First drafts of a composer, in the common key: boolean ``(number, tracks, steps, rows)``.

    They follow from the composer's weights and a fixed seed, so a resumed training makes the same ones again.

    Args:
        make: generates phrases from noise ``(batch, latent)``.
        latent: numbers of noise of a phrase.
        shape: of the phrases.
        number: number of drafts.

    """

    def __init__(self, make: Callable[[Tensor], Tensor], latent: int, shape: RollShape, number: int) -> None:
        planes: list[list[Tensor]] = []
        for draws, wanted in batches(_SEED, 0, number, _BATCH):
            draft = in_common_key(to_draft(make(draws.noise(latent))[wanted], shape), shape)
            planes.append([plane > 0.5 for plane in draft.planes])
        self._planes = [torch.cat(plane) for plane in zip(*planes, strict=True)]

    def batch(self, number: int, generator: torch.Generator | None) -> Draft:
        """Draw drafts."""
        rows = torch.randint(len(self._planes[0]), (number,), generator=generator).to(self._planes[0].device)
        chosen = [plane[rows] for plane in self._planes]
        return Draft(chosen[0], chosen[1] if len(chosen) > 1 else None)


def in_common_key(draft: Draft, shape: RollShape) -> Draft:
    """Transpose phrases from their own keys to C."""
    keys = key_of(pitch_classes(draft.cells, shape))
    return draft.map(lambda plane: to_common(plane, keys, shape))


def critic_loss(critic: Critic, real: Draft, drafts: Draft) -> Tensor:
    """Return the cross-entropy of telling the beginnings of real phrases from those of drafts, without dimensions."""
    real_logits, draft_logits = (judge_draft(critic, side) for side in (real, drafts))
    return (F.softplus(-real_logits).mean() + F.softplus(draft_logits).mean()) / 2


def judge_draft(critic: Critic, draft: Draft) -> Tensor:
    """Return the critic's logits of all beginnings of phrases in the common key."""
    cells = draft.cells.transpose(1, 2) > 0.5
    steps: Steps = describe_steps(cells, None if draft.onsets is None else draft.onsets.transpose(1, 2) > 0.5)
    logits: Tensor = critic(steps, cells)
    return logits
