"""The parts of a causal composer that its sampling and its losses need."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from bgmusic.music.networks.causal.decoder import Seen, TrackDecoder
from bgmusic.music.networks.causal.recall import Recall
from bgmusic.music.networks.causal.trunk import Trunk
from bgmusic.music.networks.causal_config import CausalConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import BinaryNeuron


@dataclass(frozen=True)
class Parts:
    """Parts of a composer.

    Attributes:
        shape: of its phrases.
        settings: its config.
        trunk: reads the steps so far.
        leads: embeds the places of lines under planned chords.
        decoders: decide for each track.
        limits: the most notes that each track plays at once.
        neuron: makes the decisions.
        restrikes: whether the encoding shows that a note starts where the same one sounded.
        recall: what earlier phrases add; None: nothing.

    """

    shape: RollShape
    settings: CausalConfig
    trunk: Trunk
    leads: nn.Embedding
    decoders: list[TrackDecoder]
    limits: list[int]
    neuron: BinaryNeuron
    restrikes: bool
    recall: Recall | None = None

    def constraints(
        self, decoder: TrackDecoder, seen: Seen, before: Tensor, kept: Tensor, playable: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what limits the first note that a track starts in a step in which it changes.

        Args:
            decoder: of the track.
            seen: what the track sees of the step.
            before: its notes one step before, boolean ``(items, rows)``.
            kept: those that go on.
            playable: rows that may start.

        Returns:
            What is added to the logits of rows, and whether a note has to start; see
            :meth:`TrackDecoder.note_logits`.

        """
        impossible = kept | ~playable
        if not self.restrikes:
            impossible = impossible | before
        # Where nothing ends, something starts, or nothing would change.
        return decoder.prior(seen, impossible), ~(before & ~kept).any(1)
