"""What earlier phrases add to the likelihood of phrases, for all steps at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.music.networks.causal.agreement import agreements, places_of
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.recall import Recall, again, change_gain, going_on_gain, return_gain, start_gain
from bgmusic.music.networks.causal.recalled import RecallableBeats, Recalled
from bgmusic.music.networks.causal.returns import first_loss, first_of
from bgmusic.music.networks.causal.steps import Steps


class Recollection:
    """Earlier phrases of phrases that are known.

    Args:
        parts: of the composer; it recalls.
        earlier: the phrases.
        steps: the phrases that follow them.
        cells: their notes, boolean ``(batch, steps, tracks, rows)``.
        known: steps of tracks that are known in advance, boolean ``(batch, steps, tracks)``.

    """

    def __init__(self, parts: Parts, earlier: Recalled, steps: Steps, cells: Tensor, known: Tensor) -> None:
        if parts.recall is None:
            raise TypeError("this composer recalls nothing")
        unit, self._recall = parts.shape.unit, parts.recall
        self._earlier = earlier.map(lambda values: values.flatten(0, 1))
        self._places = places_of(agreements(steps, earlier, parts.shape)).flatten(0, 1)
        beats = RecallableBeats(earlier, unit)
        planes = torch.stack([cells, steps.started], 3).unflatten(1, (-1, unit))
        possible = beats.possible(steps.before[:, ::unit]) & ~known[:, ::unit, :, None]
        label = first_of((beats.equal(planes) & possible).movedim(-1, 0)).repeat_interleave(unit, 1)
        first = torch.arange(label.shape[1], device=label.device) % unit == 0
        self._possible = (possible.repeat_interleave(unit, 1) & first[:, None, None]).flatten(0, 1)
        self._label = label.flatten(0, 1)

    def of(self, track: int) -> OfTrack:
        """Return that of one track."""
        earlier = self._earlier
        returned = None if earlier.returned is None else earlier.returned[:, track]
        planes = earlier.started, earlier.kept, earlier.events, earlier.fits
        started, kept, events, fits = (values[:, track] for values in planes)
        of_track = Recalled(started, kept, events, earlier.known, fits, returned)
        places, label, possible = (values[:, track] for values in (self._places, self._label, self._possible))
        return OfTrack(self._recall, track, of_track, places, label, possible)


@dataclass(frozen=True)
class OfTrack:
    """Earlier phrases of one track, in all steps of all phrases: see :class:`.recalled.Recalled`, without tracks.

    Attributes:
        recall: the weights.
        track: its number.
        earlier: the phrases.
        places: :func:`.agreement.places_of` it, int64 ``(items, numbers)``.
        label: the phrase whose beat is played again, from 1; 0 for none; int64 ``(items,)``.
        possible: at the first step of a beat, which ones can be; boolean ``(items, phrases)``.

    """

    recall: Recall
    track: int
    earlier: Recalled
    places: Tensor
    label: Tensor
    possible: Tensor

    def gains(self, hidden: Tensor) -> Gains:
        """Return what decisions gain, from the decoder's first hidden layer ``(items, hidden)``."""
        outputs = self.recall.layers[self.track](hidden)
        return Gains(self, self.recall.gates(self.track, outputs, self.places, self.earlier.known))


@dataclass(frozen=True)
class Gains:
    """What the decisions of a track gain in all steps of phrases."""

    track: OfTrack
    gates: Tensor

    @property
    def again(self) -> Tensor:
        """Where a beat of an earlier phrase is played again, boolean ``(items,)``."""
        return self.track.label > 0

    @property
    def loss(self) -> Tensor:
        """The losses of decisions whether it is, ``(items,)``."""
        return first_loss(again(self.gates), self.track.label, self.track.possible)

    @property
    def change(self) -> Tensor:
        """See :func:`.recall.change_gain`."""
        return change_gain(self.gates, self.track.earlier.events)

    @property
    def returning(self) -> Tensor | float:
        """See :func:`.recall.return_gain`."""
        returned = self.track.earlier.returned
        return 0.0 if returned is None else return_gain(self.gates, returned, self.track.recall.kinds)

    def going_on(self, rows: Tensor) -> Tensor:
        """Return :func:`.recall.going_on_gain` of the items ``rows``."""
        return going_on_gain(self.gates[rows], self.track.earlier.kept[rows])

    def start(self, rows: Tensor) -> Tensor:
        """Return :func:`.recall.start_gain` of the items ``rows``."""
        earlier = self.track.earlier
        return start_gain(self.gates[rows], earlier.events[rows], earlier.started[rows])
