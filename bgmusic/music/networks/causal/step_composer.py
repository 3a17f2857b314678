"""Compose one step of phrases: each decision is made by a binary neuron and sees all decisions before it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bgmusic.music.networks.causal.choices import choose, limits
from bgmusic.music.networks.causal.noise import CHANGE, GOING_ON
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.recalled_steps import RecalledSteps
from bgmusic.music.networks.causal.returns import ReturningBeats, count_decisions
from bgmusic.music.networks.causal.state import MOVE, NOW, StepState
from bgmusic.music.networks.causal.stepping import TrunkSteps, affine
from bgmusic.music.networks.causal.steps import LONGEST, MOTIONS
from bgmusic.music.networks.causal.tables import Lookups, TrackTables, bag
from bgmusic.music.networks.causal.task import Task


class StepComposer:
    """Phrases after the steps so far.

    Args:
        parts: the composer.
        task: the phrases.
        thresholds: see :meth:`NoiseLayout.thresholds`.

    """

    def __init__(self, parts: Parts, task: Task, thresholds: Tensor) -> None:
        batch, _, tracks, rows = task.given.cells.shape
        device = task.context.device
        self._parts, self._given = parts, task.given
        logits, chances, returning = limits(parts, thresholds.contiguous())
        self._tracks = tracks  # in the following lists they follow each other, within each step
        self._changes, self._going_on = (logits[:, :, number].flatten(0, 1).unbind(0) for number in (CHANGE, GOING_ON))
        self._chances, self._returning = chances.flatten(0, 1).unbind(0), returning.flatten(0, 1).unbind(0)
        self._repeats, self._unplayable = task.repeats, (~task.playable).unbind(1)
        self._guide = None if task.guide is None else [x.unbind(1) for x in vars(task.guide).values()]
        self._context, self._trunk = task.context.unbind(1), TrunkSteps(parts.trunk, task.context)
        self._lookups = Lookups(rows, device)
        self._tables = [
            TrackTables(decoder, parts.trunk.notes, self._lookups, tracks, batch) for decoder in parts.decoders
        ]
        self._state = StepState(batch, tracks, rows, device)
        self._past = _Past(parts, batch, self._lookups)
        decides = count_decisions(parts.settings, parts.shape.drums) > 0
        self._returns = ReturningBeats(parts.settings, parts.shape, task.playable) if decides else None
        self._playing = task.playing
        self._earlier = None
        if task.earlier is not None and parts.recall is not None:
            self._earlier = RecalledSteps(parts.recall, task.earlier, parts, batch)
        self._played = torch.zeros(batch, tracks, dtype=torch.bool, device=device)  # in this bar so far
        self._due: Tensor | None = None
        self._look()

    def _look(self) -> None:
        """Note which steps of tracks are known: in all phrases they are never computed, in none need no merging."""
        known, cells = self._given.known, self._given.cells
        self._computed, self._merged = (~known).any(0).tolist(), known.any(0).tolist()
        self._silent = (known & ~cells.any(-1)).all(0).tolist()

    def repeat_bar(self, cells: Tensor, onsets: Tensor, bar: int) -> None:
        """Copy earlier bars to the tracks that repeat them in ``bar``; see :meth:`Given.repeat_bar`."""
        if self._repeats is not None:
            self._given = self._given.repeat_bar(cells, onsets, self._repeats[:, :, bar], bar, self._parts.shape.steps)
            self._look()

    def replace(self, places: Tensor, rows: Tensor) -> None:
        """Put the drafts of the numbers ``rows`` in the given places; a place keeps its phrase."""
        if self._returns is not None:
            self._returns.replace(places, rows)
        if self._repeats is not None:  # then bars that were composed are among what is known
            order = torch.arange(len(self._played), device=rows.device)
            self._given = self._given.select(order.index_copy_(0, places, rows))
        self._trunk.replace(places, rows)
        self._state.replace(places, rows)
        if self._earlier is not None:
            self._earlier.replace(places, rows)
        self._played.index_copy_(0, places, self._played.index_select(0, rows))

    def step(self, step: int, composed: Tensor, onsets: Tensor) -> tuple[Tensor, Tensor]:
        """Decide on a step.

        Args:
            step: its number.
            composed: notes of the steps before it, boolean ``(batch, steps, tracks, rows)``.
            onsets: where they start, of the same shape.

        Returns:
            The notes that sound and those that start, ``(batch, tracks, rows)``, zeros and ones.

        """
        returns, own = self._returns, self._state
        before = self._past.embed(own, None if returns is None else returns.now) if step else None
        if returns is not None and step % self._parts.shape.unit == 0:
            returns.begin(composed, onsets, self._given, step)
        state = self._trunk.step(before) + self._context[step]
        own.sounded.copy_(own.cells)
        own.starts.zero_()
        self._begin(step)
        self._call(step)
        if self._earlier is not None:
            self._earlier.begin(step, own.sounded)
        computed = self._computed[step]
        last = max((track for track, free in enumerate(computed) if free), default=-1)
        for track, tables in enumerate(self._tables):
            if computed[track]:
                self._decide(tables, state, step)
            if track < last and not self._silent[step][track]:
                state = affine(state, own.tracks[track].cells, tables.notes)
        self._end()
        if self._earlier is not None:
            self._earlier.end(own.starts > 0)
        return own.cells, own.starts

    def _call(self, step: int) -> None:
        """Note which tracks must still play in this bar: on its last beat they do, on those before more likely."""
        self._due, shape = None, self._parts.shape
        if self._playing is not None and step % shape.unit == 0:
            beat = step % shape.steps // shape.unit
            if beat == 0:
                self._played.zero_()
            self._due = self._playing[..., step // shape.steps] & ~self._played & (self._state.sounded.amax(-1) <= 0)
            left = shape.beats - beat
            self._pressure = -math.log(left - 1) if left > 1 else math.inf  # logit of one of the beats that are left

    def _begin(self, step: int) -> None:
        """Set the codes of what is seen before the first track decides, and take over what is known."""
        own, codes = self._state, self._state.codes
        going_on = torch.embedding(self._lookups.going_on, own.now)
        codes[:, :, MOVE:] = going_on[:, :, :2]
        self._held = going_on[:, :, 2].unbind(1)
        if any(self._merged[step]):
            given = self._given
            cells = given.cells[:, step].float()
            starts = (cells - own.sounded).clamp_(min=0)
            if given.onsets is not None:
                starts = torch.maximum(starts, cells * given.onsets[:, step])
            self._known, self._known_planes = given.known[:, step, :, None], torch.stack([cells, starts], 1)
            own.planes.copy_(torch.where(self._known[:, None], self._known_planes, own.planes))
            after = self._after(self._known_planes.transpose(1, 2), own.last)
            codes[:, :, NOW:] = torch.where(self._known, after, codes[:, :, NOW:])

    def _after(self, planes: Tensor, last: Tensor) -> Tensor:
        """Return ``NOW``, ``MOVE`` and ``MOTION`` of tracks by their notes ``(..., 2, rows)`` and last rows."""
        places = (planes * self._lookups.ids).amax(-1).sum(-1).long()
        return torch.embedding(self._lookups.after, places.add_(last, alpha=2))

    def _decide(self, tables: TrackTables, state: Tensor, step: int) -> None:
        """Decide what a track plays."""
        track, merged, returns, earlier = tables.track, self._merged[step][tables.track], self._returns, self._earlier
        own, changed, returning, again = self._state.tracks[track], False, None, None
        if not any(beats is not None and beats.everywhere[track] for beats in (returns, earlier)):
            changed = self._decide_new(tables, state, step)
        if returns is not None:
            returning = returns.returning(track, step, self._state)
        if earlier is not None:
            again = earlier.again(track, step)
        if not (merged or changed or returning or again):
            own.motion.copy_(self._held[track])
            return
        for notes in (returning, again):
            if notes:
                own.planes.copy_(torch.where(*notes, own.planes))
        if merged:
            own.planes.copy_(torch.where(self._known[:, track, None], self._known_planes[:, :, track], own.planes))
        own.after.copy_(self._after(own.planes, own.last))

    def _decide_new(self, tables: TrackTables, state: Tensor, step: int) -> bool:
        """Decide on the notes of a track where its beat does not return; returns whether they change anywhere."""
        track, returns, rhythm = tables.track, self._returns, None
        own, number = self._state.tracks[track], step * self._tracks + track
        if self._guide is not None and tables.pitched:
            _, leads, ahead = (of_steps[step] for of_steps in self._guide)
            place = leads.gather(1, own.last[:, None])[:, 0]
            state = state + torch.embedding(self._parts.leads.weight, place) + tables.leading(own.last, ahead)
        state, hidden = tables.hidden(state, self._state, None if returns is None else returns.now)
        change, gates, again, limit = tables.change(hidden), None, None, self._changes[number]
        free, begins = ~self._given.known[:, step, track], step % self._parts.shape.unit == 0
        if self._earlier is not None:
            gates = self._earlier.gates(track, hidden)
            change = change + self._earlier.change_gain(track, gates)
            if begins:
                limit = self._earlier.decide(track, gates, limit, free)
            again = self._earlier.follows[track]
        changes = change > limit
        if self._due is not None:
            changes |= self._due[:, track] & (limit < self._pressure)
        if returns is not None:
            if begins:
                returning = tables.returning(hidden)
                if self._earlier is not None and gates is not None:
                    returning = returning + self._earlier.return_gain(track, gates)
                    if again is not None:
                        free = free & ~again
                        returns.follow(track, again, self._earlier.returned)
                returns.decide(track, returning, self._returning[number], free, self._state)
            rhythm, follows = returns.rhythm(track, step), returns.follows[track]
            if rhythm:  # notes start where they did, and between them they can only end
                changes = (changes & ~(rhythm[1] & (own.sounded.amax(1) <= 0))) | rhythm[0]
            if follows is not None:
                changes &= ~follows
        if again is not None:
            changes &= ~again
        rows = changes.nonzero()[:, 0]
        if not rows.shape[0]:
            return False
        rhythm = None if rhythm is None else (rhythm[0].index_select(0, rows), rhythm[1].index_select(0, rows))
        gates = None if gates is None else gates.index_select(0, rows)
        decided = self._change(tables, state, hidden, rows, number, rhythm, gates)
        own.planes.index_copy_(0, rows, torch.stack(decided, 1))
        return True

    def _change(
        self,
        tables: TrackTables,
        state: Tensor,
        hidden: Tensor,
        rows: Tensor,
        number: int,
        rhythm: tuple[Tensor, Tensor] | None,
        gates: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Decide what a track that changes plays.

        Args:
            tables: of the track.
            state: what it sees, ``(batch, width)``.
            hidden: of the first layer.
            rows: numbers of the phrases in which it changes, int64 ``(items,)``.
            number: of the track in this step, counting all tracks of all steps.
            rhythm: where a note must start, and where none may, boolean ``(items,)``; None: nowhere.
            gates: what earlier phrases add, see :class:`.recall.Recall`; None: nothing.

        Returns:
            Notes that sound and that start, ``(items, rows)``, zeros and ones.

        """
        parts, track, limit = self._parts, tables.track, self._parts.limits[tables.track]
        most = min(limit, parts.settings.chords)
        chances, codes = self._chances[number].index_select(1, rows), self._state.codes.index_select(0, rows)
        before = self._state.tracks[track].sounded.index_select(0, rows)
        state, impossible = state.index_select(0, rows), self._unplayable[track].index_select(0, rows)
        kept = None
        if limit > 1:  # notes that go on share a threshold, so they end together unless they differ
            going = tables.going_on(hidden.index_select(0, rows))
            if self._earlier is not None and gates is not None:
                going = going + self._earlier.going_on_gain(track, gates, rows)
            kept = before * (going > self._going_on[number].index_select(0, rows)[:, None])
            if rhythm:  # a change must be an end
                kept = kept * ~(rhythm[1] & (kept == before).all(1))[:, None]
            state = affine(state, kept, tables.notes)
            impossible |= kept > 0
        if not parts.restrikes:
            impossible |= before > 0
        prior, references = tables.prior(codes, impossible), tables.references(codes)
        if self._earlier is not None and gates is not None:
            prior = prior + self._earlier.start_gain(track, gates, rows)
        step = number // self._tracks
        chord = ahead = None
        if self._guide is not None:
            chord, ahead = (self._guide[place][step].index_select(0, rows) for place in (0, 2))
        # Where nothing ends, something starts, or nothing would change.
        must = (before if kept is None else before - kept).amax(1) <= 0
        if rhythm:
            must |= rhythm[0]
        note = choose(parts, tables.note_logits(state, references, chord, ahead, None, prior, must), chances[0])
        if rhythm:
            note = torch.where(rhythm[1], tables.rows, note)
        if kept is None:
            started = tables.one_hot(note)
            return started, started
        room = limit - kept.sum(1)
        note = torch.where(room > 0, note, tables.rows)
        started, items = tables.one_hot(note), torch.arange(len(rows), device=rows.device)
        for chance in chances.unbind(0)[1:most]:
            chosen = (note < tables.rows).nonzero()[:, 0]
            if not chosen.shape[0]:
                break
            items, lowest, prior = (values.index_select(0, chosen) for values in (items, note, prior))
            room, state = room.index_select(0, chosen).sub_(1), state.index_select(0, chosen)
            references, chord, ahead = (
                None if values is None else values.index_select(0, chosen) for values in (references, chord, ahead)
            )
            state += tables.chosen.index_select(0, lowest)
            logits = tables.note_logits(state, references, chord, ahead, lowest, prior)
            note = choose(parts, logits, chance.index_select(0, items))
            note = torch.where(room > 0, note, tables.rows)
            started.index_add_(0, items, tables.one_hot(note))
        return torch.maximum(kept, started), started

    def _end(self) -> None:
        """Update what the next step sees of this one."""
        own = self._state
        if self._playing is not None:
            self._played |= own.cells.amax(-1) > 0
        changed = torch.maximum(own.starts, own.sounded - own.cells).amax(-1) > 0
        own.since.add_(1).clamp_(max=LONGEST).masked_fill_(changed, 1)
        own.last.copy_(torch.where(own.now > 0, own.now, own.last))


class _Past:
    """Embed the step before, see :meth:`Trunk.embed`."""

    def __init__(self, parts: Parts, batch: int, lookups: Lookups) -> None:
        trunk, notes, device = parts.trunk, parts.trunk.notes, parts.trunk.begin.device
        planes = [notes.cells.weight] if notes.onsets is None else [notes.cells.weight, notes.onsets.weight]
        self._notes, self._lookups = torch.cat(planes, 1).t().contiguous(), lookups
        tables = [trunk.motions.weight, trunk.intervals.weight]
        tracks, pairs = len(parts.decoders), torch.tensor(trunk.pairs, dtype=torch.int64, device=device).view(-1, 2)
        self._first, self._second = pairs.T
        places = tracks * MOTIONS + torch.arange(len(pairs), device=device) * (2 * notes.rows + 1)
        all_places = [torch.arange(tracks, device=device) * MOTIONS, places]
        if trunk.returned is not None:
            first, size = sum(len(table) for table in tables), len(trunk.returned.weight) // tracks
            tables.append(trunk.returned.weight)
            all_places.append(first + torch.arange(tracks, device=device) * size)
        self._table, self._places = torch.cat(tables), torch.cat(all_places)
        self._bags = torch.arange(batch, device=device) * len(self._places)

    def embed(self, step: StepState, returned: Tensor | None) -> Tensor:
        """Embed a step, and how its beats return: ``(batch, width)``."""
        first, second = step.now.index_select(1, self._first), step.now.index_select(1, self._second)
        pairs = torch.take(self._lookups.pairs, second.add_(first, alpha=self._lookups.size))
        columns = [step.motions, pairs, *([] if returned is None else [returned])]
        places = torch.cat(columns, 1).add_(self._places)
        return affine(bag(self._table, places, self._bags), step.planes.flatten(1)[:, : len(self._notes)], self._notes)
