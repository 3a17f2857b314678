"""What earlier phrases add to the decisions of a step while phrases are composed."""

from __future__ import annotations

import torch
from torch import Tensor

from bgmusic.music.networks.causal.agreement import agreement, compare, places_of
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.recall import Recall, again, change_gain, going_on_gain, return_gain, start_gain
from bgmusic.music.networks.causal.recalled import RecallableBeats, Recalled
from bgmusic.music.networks.causal.stepping import affine
from bgmusic.neurons import SBN


class RecalledSteps:
    """Earlier phrases at the step that is composed.

    Args:
        recall: the weights.
        earlier: the phrases.
        parts: of the composer.
        batch: number of drafts of all phrases that follow them; those of a phrase follow each other.

    Attributes:
        follows: where each track plays a beat of an earlier phrase again, boolean ``(batch,)``; None: nowhere.
        everywhere: whether it does in all phrases, so that nothing else is decided.
        returned: of the track that decided last, how the beats that it plays again returned then, int64 ``(batch,)``.

    """

    def __init__(self, recall: Recall, earlier: Recalled, parts: Parts, batch: int) -> None:
        self._recall, self._shape = recall, parts.shape
        self._slope = float(parts.neuron.slope) if isinstance(parts.neuron, SBN) else None
        self._earlier = self._here = earlier
        events = earlier.events
        self._drafts = batch // len(events)
        self._beats = RecallableBeats(earlier, parts.shape.unit, self._drafts)
        self._compared = torch.zeros(batch, *events.shape[1:], 2, dtype=torch.int64, device=events.device)
        # As in :mod:`.stepping`, so that a phrase does not depend on the others of its batch.
        self._layers = [(layer.bias, layer.weight.t().contiguous()) for layer in recall.layers]
        self._step, self._tracks = 0, events.shape[2]
        self.returned = torch.zeros(batch, dtype=torch.int64, device=events.device)
        self._forget()

    def _forget(self) -> None:
        self.everywhere = [False] * self._tracks
        self.follows: list[Tensor | None] = [None] * self._tracks
        self._again: list[tuple[Tensor, tuple[Tensor, ...]] | None] = [None] * self._tracks

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places; a place keeps its phrase, and what it recalls."""
        self._compared.index_copy_(0, places, self._compared.index_select(0, rows))

    def begin(self, step: int, sounded: Tensor) -> None:
        """Go to a step; ``sounded`` are the notes of the step before, zeros and ones ``(batch, tracks, rows)``."""
        self._step = step
        if step % self._shape.unit == 0:
            self._forget()
            self._possible = self._beats.possible(sounded > 0, step // self._shape.unit)
        self._here = self._earlier.map(lambda values: values[:, step].repeat_interleave(self._drafts, 0))
        sizes = self._shape.unit, self._shape.steps, step
        beat, bar, phrase = (self._compared[:, max(0, step - size) : step].sum(1) for size in sizes)
        self._places = places_of(agreement(beat, bar, phrase, self._here.fits))

    def end(self, started: Tensor) -> None:
        """Note which notes started in the step, boolean ``(batch, tracks, rows)``."""
        self._compared[:, self._step] = compare(started, self._here.started, self._here.known)

    def gates(self, track: int, hidden: Tensor) -> Tensor:
        """Return :meth:`Recall.gates`."""
        bias, weight = self._layers[track]
        return self._recall.gates(track, affine(bias, hidden, weight), self._places[:, track], self._here.known)

    def decide(self, track: int, gates: Tensor, limits: Tensor, free: Tensor) -> Tensor:
        """Decide at the first step of a beat whether a track plays that of an earlier phrase again.

        The threshold decides on this first, then on a change: where a neuron of probability p does not fire at the
        threshold v, (v - p) / (1 - p) is as random as v was.

        Args:
            track: its number.
            gates: see :meth:`gates`.
            limits: of logits, ``(batch,)``; see :func:`.choices.limits`.
            free: where the beat is not known, boolean ``(batch,)``.

        Returns:
            The limits of what is decided next.

        """
        able, logits = self._possible[:, track] & free[:, None], again(gates)
        decided = torch.zeros_like(free, dtype=torch.int64)
        slope = 1.0 if self._slope is None else self._slope
        threshold = (slope * limits).sigmoid()
        for phrase in range(self._recall.phrases):
            chance = (slope * logits[:, phrase]).sigmoid() * able[:, phrase]
            decided = torch.where((decided == 0) & (chance > threshold), phrase + 1, decided)
            if self._slope is not None:
                left = ((threshold - chance) / (1 - chance)).clamp(0, 1)
                threshold = torch.where(decided > 0, threshold, left)
        if bool(decided.any()):
            follows = self.follows[track] = decided > 0
            self.everywhere[track] = bool((follows | ~free).all())
            planes = self._beats.planes[:, self._step // self._shape.unit, :, track]
            rows, chosen = torch.arange(len(decided), device=decided.device), (decided - 1).clamp(min=0)
            self._again[track] = follows[:, None, None], planes[rows // self._drafts, :, chosen].float().unbind(1)
            if self._here.returned is not None:
                self.returned = self._here.returned[rows, track, chosen]
        return limits if self._slope is None else threshold.logit() / slope

    def again(self, track: int, step: int) -> tuple[Tensor, Tensor] | None:
        """Return where a track plays an earlier beat again, and its notes; None: nowhere.

        Returns:
            Boolean ``(batch, 1, 1)``; notes that sound and that start, ``(batch, 2, rows)``, zeros and ones.

        """
        found = self._again[track]
        return None if found is None else (found[0], found[1][step % self._shape.unit])

    def return_gain(self, track: int, gates: Tensor) -> Tensor | float:
        """Return :func:`.recall.return_gain`."""
        returned = self._here.returned
        return 0.0 if returned is None else return_gain(gates, returned[:, track], self._recall.kinds)

    def change_gain(self, track: int, gates: Tensor) -> Tensor:
        """Return :func:`.recall.change_gain`."""
        return change_gain(gates, self._here.events[:, track])

    def going_on_gain(self, track: int, gates: Tensor, rows: Tensor) -> Tensor:
        """Return :func:`.recall.going_on_gain` of the items ``rows``."""
        return going_on_gain(gates, self._here.kept[:, track].index_select(0, rows))

    def start_gain(self, track: int, gates: Tensor, rows: Tensor) -> Tensor:
        """Return :func:`.recall.start_gain` of the items ``rows``."""
        events, started = (values[:, track].index_select(0, rows) for values in (self._here.events, self._here.started))
        return start_gain(gates, events, started)
