"""Two critics: one for phrases of which nothing is known in advance, one for all others.

A critic of both kinds judges phrases without a plan worse than one that learns from them alone (docs/notes/causal.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.music.networks.causal.critic import Critic, critic_loss, likelihood_loss
from bgmusic.music.networks.causal.critic_ahead import Known
from bgmusic.music.networks.causal.steps import describe_steps
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.networks.plan_bits import PlanBits
from bgmusic.music.rolls.shape import RollShape


class Critics(nn.Module):
    """The critics of a composer.

    Args:
        shape: of the phrases.
        settings: of the composer.

    """

    def __init__(self, shape: RollShape, settings: CausalConfig) -> None:
        super().__init__()
        sizes = shape, settings.critic_channels, settings.critic_dropout
        self.blank, self.known = (
            Critic(*sizes, knows=knows, returns=settings.returns > 0, registers=settings.registers)
            for knows in (False, True)
        )

    def learn(self, composed: bool, known_only: bool = False) -> None:
        """Let the weights be trained; those of rare events only from what is composed, as a correction.

        Args:
            composed: whether they learn from what is composed.
            known_only: whether the critic of phrases of which nothing is known stays as it is.

        """
        self.requires_grad_()
        for critic in (self.blank, self.known):
            for weight in (critic.parallels, critic.returns, critic.repeats):
                if weight is not None:
                    weight.requires_grad_(composed)
        if known_only:
            self.blank.requires_grad_(False)  # zero gradients would not do: weights decay

    def of(self, blank: Tensor) -> Critic:
        """Return the critic of phrases that are composed together.

        Args:
            blank: whether nothing is known of each, boolean ``(batch,)``; if something is known of one, the second
                critic judges all.

        """
        return self.blank if bool(blank.all()) else self.known

    def loss(
        self,
        real: tuple[Tensor, Tensor | None],
        made: tuple[Tensor, Tensor | None],
        known: Known,
        blank: Tensor,
        composed: bool = False,
    ) -> Tensor:
        """Return the loss of both, a mean over phrases.

        Args:
            real: notes and onsets of real phrases in the common key, boolean ``(batch, steps, tracks, rows)``.
            made: of phrases that were composed for the same plans and given units.
            known: what is known of them in advance.
            blank: see :meth:`of`.
            composed: what the critics learn: False, to tell real beginnings from those of drafts, by cross-entropy;
                True, the log of the ratio of the probabilities of real phrases and drafts, by maximum likelihood, from
                phrases that were composed under the critics.

        """
        total = torch.zeros((), device=known.lines.device)
        for critic, chosen in ((self.blank, blank), (self.known, ~blank)):
            rows = chosen.nonzero()[:, 0]
            if len(rows):
                logits = []
                for cells, onsets in (real, made):
                    steps = describe_steps(cells[rows], None if onsets is None else onsets[rows])
                    logits.append(critic(steps, cells[rows], known.select(rows)))
                loss = likelihood_loss(*logits) if composed else critic_loss(*logits)
                total = total + loss * (len(rows) / len(blank))
        return total


def is_blank(free: Tensor, plan: PlanBits | None) -> Tensor:
    """Return whether nothing is known of phrases: boolean ``(batch,)``.

    Args:
        free: units that are not given, boolean ``(batch, tracks, units)``.
        plan: their plans.

    """
    blank = free.flatten(1).all(1)
    return blank if plan is None else blank & ~plan.bits.flatten(1).any(1)
