"""The likelihood of phrases: the losses of all decisions that they show, computed for all steps at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.networks.causal.decoder import Seen, TrackDecoder, unknown_motion
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.recalled import Recalled
from bgmusic.music.networks.causal.recollection import OfTrack, Recollection
from bgmusic.music.networks.causal.returns import Returns, first_loss
from bgmusic.music.networks.causal.rows import Guide
from bgmusic.music.networks.causal.steps import UNKNOWN, Steps
from bgmusic.music.networks.causal.trunk import Trunk
from bgmusic.music.networks.composer.decisions.base import cross_entropy


def embed_past(
    trunk: Trunk, cells: Tensor, steps: Steps, returns: Returns | None, onsets: bool, hidden: float
) -> Tensor:
    """Embed the steps of phrases ``(batch, steps, width)``, with some units of their past hidden.

    Args:
        trunk: embeds them.
        cells: boolean ``(batch, steps, tracks, rows)``.
        steps: their description.
        returns: which beats return; None: beats do not.
        onsets: whether the encoding has onsets.
        hidden: mean share of units that are hidden; the share differs between phrases.

    """
    line, motion = steps.line, steps.motion
    returned = None if returns is None else returns.now
    planes = [cells, *([steps.started] if onsets else [])]
    if hidden:
        batch, length, tracks = line.shape
        unit = trunk.shape.unit
        share = 2 * hidden * torch.rand(batch, 1, 1, device=cells.device)
        gone = torch.rand(batch, length // unit, tracks, device=cells.device) < share
        gone = gone.repeat_interleave(unit, 1)
        line, motion = torch.where(gone, -1, line), torch.where(gone, UNKNOWN, motion)
        returned = None if returned is None else returned * ~gone
        planes = [plane & ~gone.unsqueeze(3) for plane in planes]
    return trunk.embed(planes[0].float(), planes[1].float() if onsets else None, line, motion, returned)


def track_losses(
    parts: Parts,
    state: Tensor,
    steps: Steps,
    returns: Returns | None,
    cells: Tensor,
    known: Tensor,
    playable: Tensor,
    guide: Guide,
    earlier: Recalled | None = None,
) -> Tensor:
    """Return the negative log likelihoods of all decisions in nats: float32 ``(batch, steps, tracks)``.

    Args:
        parts: the composer.
        state: of each step, ``(batch, steps, width)``.
        steps: the phrases.
        returns: which of their beats return; None: beats do not.
        cells: their notes, boolean ``(batch, steps, tracks, rows)``.
        known: steps of tracks that are known in advance, boolean ``(batch, steps, tracks)``.
        playable: rows within each track's range, boolean ``(batch, tracks, rows)``.
        guide: what is known in advance.
        earlier: phrases before; None: nothing came before.

    """
    size, limits = cells.shape[:2], parts.limits
    flat = Steps(*(value.flatten(0, 1) for value in vars(steps).values()))
    playable = playable.repeat_interleave(size[1], 0)
    rows, leads, ahead = (values.flatten(0, 1) for values in vars(guide).values())
    leads = leads.gather(1, flat.last_before + 1)
    if returns is not None:
        returns = returns.flat()
    seen = Seen(
        flat.last_before,
        flat.line_before,
        unknown_motion(flat.motion),
        flat.since,
        rows,
        leads,
        ahead,
        None if returns is None else returns.before,
    )
    recollection = None
    if earlier is not None:
        recollection = Recollection(parts, earlier, steps, cells, known)
    state, notes, known = state.flatten(0, 1), cells.flatten(0, 1), known.flatten(0, 1)
    losses = []
    for track, decoder in enumerate(parts.decoders):
        decided = known.clone()
        decided[:, :track] = True
        decided[:, track] = False
        view = seen.with_decided(decided, flat.line, flat.motion, None if returns is None else returns.now)
        own = None if recollection is None else recollection.of(track)
        losses.append(_track_loss(parts, decoder, state, view, flat, limits[track], playable[:, track], returns, own))
        state = state + parts.trunk.notes.notes_of(track, notes[:, track].to(state.dtype))
    stacked: Tensor = torch.stack(losses, 1).unflatten(0, size)
    return stacked


def _track_loss(
    parts: Parts,
    decoder: TrackDecoder,
    state: Tensor,
    seen: Seen,
    steps: Steps,
    limit: int,
    playable: Tensor,
    returns: Returns | None,
    earlier: OfTrack | None,
) -> Tensor:
    track = decoder.track
    changed, started = steps.changed[:, track], steps.started[:, track]
    if not decoder.is_drum:
        state = state + parts.leads(seen.leads[:, track]) + decoder.leading(seen.last[:, track], seen.ahead)
    state = decoder.state(state, seen)
    hidden = decoder.first(state)
    change = decoder.change(hidden)[:, 0].float()
    gains = None if earlier is None else earlier.gains(hidden)
    if gains is not None:
        change = change + gains.change
    losses = cross_entropy(change, changed.float())
    strikes = started.any(1)
    alike = torch.zeros_like(strikes)
    if returns is not None:  # a beat that returns decides no notes, a rhythm that returns not where they start
        back, alike = returns.of_track(track)
        returning = decoder.returning(hidden).float()
        if gains is not None:
            returning = returning + gains.returning
        now, possible = returns.now[:, track], returns.possible[:, track]
        losses = losses * ~(back | alike & strikes) + first_loss(returning, now, possible)
        changed = changed & ~back
    if gains is not None:  # a beat that is played again decides nothing else
        losses = losses * ~gains.again + gains.loss
        changed = changed & ~gains.again
    rows = changed.nonzero()[:, 0]
    state, seen = state[rows], seen.at(rows)
    before, kept = steps.before[rows, track], steps.kept[rows, track]
    if limit > 1:
        going = decoder.going_on(hidden[rows]).float()
        if gains is not None:
            going = going + gains.going_on(rows)
        going_on = cross_entropy(going, kept.float())
        losses = losses.index_add(0, rows, (going_on * before).sum(1))
        state = state + parts.trunk.notes.notes_of(track, kept.to(state.dtype))
    if returns is not None:
        free = (strikes | ~alike)[rows].nonzero()[:, 0]
        rows, state, seen, before, kept = rows[free], state[free], seen.at(free), before[free], kept[free]
    prior, must = parts.constraints(decoder, seen, before, kept, playable[rows] | started[rows])
    must = must | alike[rows]
    if gains is not None:
        prior = prior + gains.start(rows)
    return _with_notes(losses, decoder, rows, state, seen, started[rows], prior, must, limit)


def _with_notes(
    losses: Tensor,
    decoder: TrackDecoder,
    rows: Tensor,
    state: Tensor,
    seen: Seen,
    left: Tensor,
    prior: Tensor,
    must: Tensor,
    limit: int,
) -> Tensor:
    """Add to losses those of the notes that start, from the lowest up.

    Args:
        losses: of all steps, ``(items,)``.
        decoder: of the track.
        rows: numbers of the steps in which it changes, int64 ``(changes,)``.
        state: of these.
        seen: what it sees of these.
        left: notes that start, boolean ``(changes, rows)``.
        prior: see :meth:`TrackDecoder.note_logits`.
        must: whether a note has to start, boolean ``(changes,)``.
        limit: the most notes that the track plays at once.

    """
    references, chord, ahead = decoder.references_of(seen), seen.chord, seen.ahead
    lowest = torch.full_like(rows, -1)
    while len(rows):
        logits = decoder.note_logits(state, references, chord, ahead, lowest, prior, must)
        note = torch.where(left.any(1), left.float().argmax(1), decoder.pitches)
        losses = losses.index_add(0, rows, F.cross_entropy(logits, note, reduction="none"))
        if limit == 1:
            break
        chosen = (note < decoder.pitches).nonzero()[:, 0]
        rows, references, lowest = rows[chosen], references[chosen], note[chosen]
        chord, ahead = chord[chosen], ahead[chosen]
        left = left[chosen].scatter(1, lowest[:, None], value=False)
        state, prior = state[chosen] + decoder.chosen(lowest), prior[chosen]
        must = torch.zeros_like(rows, dtype=torch.bool)
    return losses
