"""The decisions of a composer, one file each, in the order in which they are made.

A :class:`Decision` is one kind of binary decision at the steps of a track. It declares

- ``name``, and how many network outputs it needs at each step (``step_outputs``) and cell (``cell_outputs``);
- ``logits(steps, cells, tracks)``: these outputs as logits;
- ``decide(logits, made, noise, neuron)``: add the decision to the :class:`Choices` of a stage;
- ``observe(real)``: add the decision that a real phrase shows;
- ``loss(logits, real)``: its cross-entropy, in nats;
- ``odds(logits, odds, neuron)``: add its probabilities.

Each method sees the results of earlier decisions in :class:`Choices`, under names such as ``sounds`` and ``moves``.
The network holds the list that :func:`make_decisions` builds from a config; an ablation is a shorter list. To add a
decision, write one file with a subclass and insert it in :func:`make_decisions`, behind a config field.

The form of a phrase (``form.py``) is decided once, before the stages, by drawing from the forms of real phrases. It has
no network outputs and no loss, so it is no member of the list; :class:`Choices` carries it.
"""

from __future__ import annotations

from bgmusic.music.networks.composer.decisions.base import Choices, Decision, Tracks
from bgmusic.music.networks.composer.decisions.cells import Cells
from bgmusic.music.networks.composer.decisions.move import Move
from bgmusic.music.networks.composer.decisions.note_count import NoteCount
from bgmusic.music.networks.composer.decisions.onsets import Onsets
from bgmusic.music.networks.composer.decisions.rest import Rest
from bgmusic.music.networks.pianoroll_config import ComposerConfig
from bgmusic.music.rolls.shape import RollShape

__all__ = ["Cells", "Choices", "Decision", "Move", "NoteCount", "Onsets", "Rest", "Tracks", "make_decisions"]


def make_decisions(settings: ComposerConfig, shape: RollShape) -> tuple[Decision, ...]:
    """Return a composer's decisions in the order in which they are made.

    ``network.rests=false`` leaves out rests, ``network.chords=0`` the number of notes, the pause encoding onsets.
    """
    decisions: list[Decision] = [Rest()] if settings.rests else []
    decisions.append(Move())
    if settings.chords:
        decisions.append(NoteCount(settings.chords))
    decisions.append(Cells(counted=settings.chords > 0, rests=settings.rests))
    if shape.encoding == "onset":
        decisions.append(Onsets())
    return tuple(decisions)
