"""Compose one step of phrases: each decision is made by a binary neuron and sees all decisions before it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bgmusic.music.networks.causal.choices import choose, limits
from bgmusic.music.networks.causal.noise import CHANGE, GOING_ON
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.returns import ReturningBeats, count_decisions
from bgmusic.music.networks.causal.stepping import TrunkSteps, affine
from bgmusic.music.networks.causal.steps import LONGEST, MOTIONS
from bgmusic.music.networks.causal.tables import LAST, MOTION, MOVE, NOW, Lookups, TrackTables, bag
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
        all_limits = limits(parts, thresholds.contiguous())  # of each step, of each track: (numbers, batch)
        self._logits, self._chances, self._returning = (
            [step.unbind(0) for step in values.unbind(0)] for values in all_limits
        )
        self._repeats, self._unplayable = task.repeats, ~task.playable
        self._guide = None if task.guide is None else [x.unbind(1) for x in vars(task.guide).values()]
        self._context, self._trunk = task.context.unbind(1), TrunkSteps(parts.trunk, task.context)
        self._lookups = Lookups(rows, device)
        self._tables = [
            TrackTables(decoder, parts.trunk.notes, self._lookups, tracks, batch) for decoder in parts.decoders
        ]
        # Notes that sound and notes that start, zeros and ones; see LAST, NOW, MOVE and MOTION for the codes.
        self._planes = torch.zeros(batch, 2, tracks, rows, device=device)
        self._codes = torch.zeros(batch, tracks, 4, dtype=torch.int64, device=device)
        self._since = torch.ones(batch, tracks, dtype=torch.int64, device=device)
        self._past = _Past(parts, batch, self._lookups)
        decides = count_decisions(parts.settings, parts.shape.drums) > 0
        self._returns = ReturningBeats(parts.settings, parts.shape, task.playable) if decides else None
        self._playing = task.playing
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
            order = torch.arange(len(self._since), device=rows.device)
            self._given = self._given.select(order.index_copy_(0, places, rows))
        self._trunk.replace(places, rows)
        for state in (self._planes, self._codes, self._since, self._played):
            state.index_copy_(0, places, state.index_select(0, rows))

    def step(self, step: int, composed: Tensor, onsets: Tensor) -> tuple[Tensor, Tensor]:
        """Decide on a step.

        Args:
            step: its number.
            composed: notes of the steps before it, boolean ``(batch, steps, tracks, rows)``.
            onsets: where they start, of the same shape.

        Returns:
            The notes that sound and those that start, ``(batch, tracks, rows)``, zeros and ones.

        """
        returns = self._returns
        before = self._past.embed(self._planes, self._codes, None if returns is None else returns.now) if step else None
        if returns is not None and step % self._parts.shape.unit == 0:
            returns.begin(composed, onsets, self._given, step)
        state = self._trunk.step(before) + self._context[step]
        cells, starts = self._planes[:, 0], self._planes[:, 1]
        sounded = cells.clone()
        starts.zero_()
        self._begin(step, sounded)
        self._call(step, sounded)
        computed = self._computed[step]
        last = max((track for track, free in enumerate(computed) if free), default=-1)
        for track, tables in enumerate(self._tables):
            if computed[track]:
                self._decide(tables, state, step, sounded)
            if track < last and not self._silent[step][track]:
                state = affine(state, cells[:, track], tables.notes)
        self._end(sounded)
        return cells, starts

    def _call(self, step: int, sounded: Tensor) -> None:
        """Note which tracks must still play in this bar: on its last beat they do, on those before more likely."""
        self._due, shape = None, self._parts.shape
        if self._playing is not None and step % shape.unit == 0:
            beat = step % shape.steps // shape.unit
            if beat == 0:
                self._played.zero_()
            self._due = self._playing[..., step // shape.steps] & ~self._played & (sounded.amax(-1) <= 0)
            left = shape.beats - beat
            self._pressure = -math.log(left - 1) if left > 1 else math.inf  # logit of one of the beats that are left

    def _begin(self, step: int, sounded: Tensor) -> None:
        """Set the codes of what is seen before the first track decides, and take over what is known."""
        codes, tables = self._codes, self._lookups
        going_on = torch.embedding(tables.going_on, codes[:, :, NOW])
        codes[:, :, MOVE:] = going_on[:, :, :2]
        self._held = going_on[:, :, 2]
        if any(self._merged[step]):
            given = self._given
            cells = given.cells[:, step].float()
            starts = (cells - sounded).clamp_(min=0)
            if given.onsets is not None:
                starts = torch.maximum(starts, cells * given.onsets[:, step])
            self._known, self._known_planes = given.known[:, step, :, None], torch.stack([cells, starts], 1)
            self._planes.copy_(torch.where(self._known[:, None], self._known_planes, self._planes))
            after = self._after(self._known_planes.transpose(1, 2), codes[:, :, LAST])
            codes[:, :, NOW:] = torch.where(self._known, after, codes[:, :, NOW:])

    def _after(self, planes: Tensor, last: Tensor) -> Tensor:
        """Return ``NOW``, ``MOVE`` and ``MOTION`` of tracks by their notes ``(..., 2, rows)`` and last rows."""
        places = (planes * self._lookups.ids).amax(-1).sum(-1).long()
        return torch.embedding(self._lookups.after, places.add_(last, alpha=2))

    def _decide(self, tables: TrackTables, state: Tensor, step: int, sounded: Tensor) -> None:
        """Decide what a track plays."""
        track, codes, merged = tables.track, self._codes, self._merged[step][tables.track]
        planes, returns, changed = self._planes[:, :, track], self._returns, False
        if returns is None or not returns.everywhere[track]:
            changed = self._decide_new(tables, state, step, sounded)
        returning = None if returns is None else returns.returning(track, step, self._planes, sounded)
        if not (merged or changed or returning):
            codes[:, track, MOTION] = self._held[:, track]
            return
        if returning:
            planes.copy_(torch.where(returning[0][:, None, None], returning[1], planes))
        if merged:
            planes.copy_(torch.where(self._known[:, track, None], self._known_planes[:, :, track], planes))
        codes[:, track, NOW:] = self._after(planes, codes[:, track, LAST])

    def _decide_new(self, tables: TrackTables, state: Tensor, step: int, sounded: Tensor) -> bool:
        """Decide on the notes of a track where its beat does not return; returns whether they change anywhere."""
        track, codes, returns, rhythm = tables.track, self._codes, self._returns, None
        if self._guide is not None and tables.pitched:
            _, leads, ahead = (of_steps[step] for of_steps in self._guide)
            place = leads.gather(1, codes[:, track, LAST, None])[:, 0]
            state = state + torch.embedding(self._parts.leads.weight, place) + tables.leading(codes, ahead)
        state, hidden = tables.hidden(state, codes, self._since, None if returns is None else returns.now)
        changes = tables.change(hidden) > self._logits[step][track][CHANGE]
        if self._due is not None:
            changes |= self._due[:, track] & (self._logits[step][track][CHANGE] < self._pressure)
        if returns is not None:
            if step % self._parts.shape.unit == 0:
                free = ~self._given.known[:, step, track]
                returns.decide(track, tables.returning(hidden), self._returning[step][track], free, self._planes[:, 0])
            rhythm, follows = returns.rhythm(track, step), returns.follows[track]
            if rhythm:  # notes start where they did, and between them they can only end
                changes = (changes & ~(rhythm[1] & (sounded[:, track].amax(1) <= 0))) | rhythm[0]
            if follows is not None:
                changes &= ~follows
        rows = changes.nonzero()[:, 0]
        if not rows.shape[0]:
            return False
        rhythm = None if rhythm is None else (rhythm[0].index_select(0, rows), rhythm[1].index_select(0, rows))
        decided = self._change(tables, state, hidden, rows, step, sounded[:, track], rhythm)
        self._planes[:, :, track].index_copy_(0, rows, torch.stack(decided, 1))
        return True

    def _change(
        self,
        tables: TrackTables,
        state: Tensor,
        hidden: Tensor,
        rows: Tensor,
        step: int,
        before: Tensor,
        rhythm: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        """Decide what a track that changes plays.

        Args:
            tables: of the track.
            state: what it sees, ``(batch, width)``.
            hidden: of the first layer.
            rows: numbers of the phrases in which it changes, int64 ``(items,)``.
            step: number of the step.
            before: its notes one step before, ``(batch, rows)``, zeros and ones.
            rhythm: where a note must start, and where none may, boolean ``(items,)``; None: nowhere.

        Returns:
            Notes that sound and that start, ``(items, rows)``, zeros and ones.

        """
        parts, track, limit = self._parts, tables.track, self._parts.limits[tables.track]
        most = min(limit, parts.settings.chords)
        chances = self._chances[step][track][:most].index_select(1, rows)
        state, before = state.index_select(0, rows), before.index_select(0, rows)
        codes = self._codes.index_select(0, rows)
        impossible = self._unplayable[:, track].index_select(0, rows)
        kept = None
        if limit > 1:  # notes that go on share a threshold, so they end together unless they differ
            going = tables.going_on(hidden.index_select(0, rows))
            limit_of_rows = self._logits[step][track][GOING_ON].index_select(0, rows)
            kept = before * (going > limit_of_rows[:, None])
            if rhythm:  # a change must be an end
                kept = kept * ~(rhythm[1] & (kept == before).all(1))[:, None]
            state = affine(state, kept, tables.notes)
            impossible |= kept > 0
        if not parts.restrikes:
            impossible |= before > 0
        prior, references = tables.prior(codes, impossible), tables.references(codes)
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
        for number in range(1, most):
            chosen = (note < tables.rows).nonzero()[:, 0]
            if not len(chosen):
                break
            items, room, lowest, prior = items[chosen], room[chosen] - 1, note[chosen], prior[chosen]
            references = None if references is None else references[chosen]
            chord = None if chord is None else chord[chosen]
            ahead = None if ahead is None else ahead[chosen]
            state = state[chosen] + tables.chosen[lowest]
            logits = tables.note_logits(state, references, chord, ahead, lowest, prior)
            note = choose(parts, logits, chances[number].index_select(0, items))
            note = torch.where(room > 0, note, tables.rows)
            started.index_add_(0, items, tables.one_hot(note))
        return torch.maximum(kept, started), started

    def _end(self, sounded: Tensor) -> None:
        """Update what the next step sees of this one."""
        cells, starts = self._planes[:, 0], self._planes[:, 1]
        if self._playing is not None:
            self._played |= cells.amax(-1) > 0
        changed = torch.maximum(starts, sounded - cells).amax(-1) > 0
        self._since.add_(1).clamp_(max=LONGEST).masked_fill_(changed, 1)
        line = self._codes[:, :, NOW]
        self._codes[:, :, LAST] = torch.where(line > 0, line, self._codes[:, :, LAST])


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

    def embed(self, planes: Tensor, codes: Tensor, returned: Tensor | None) -> Tensor:
        """Embed notes ``(batch, 2, tracks, rows)``, lines ``(batch, tracks, 4)`` and returns: ``(batch, width)``."""
        lines = codes[:, :, NOW]
        first, second = lines.index_select(1, self._first), lines.index_select(1, self._second)
        pairs = torch.take(self._lookups.pairs, second.add_(first, alpha=self._lookups.size))
        columns = [codes[:, :, MOTION], pairs, *([] if returned is None else [returned])]
        places = torch.cat(columns, 1).add_(self._places)
        return affine(bag(self._table, places, self._bags), planes.flatten(1)[:, : len(self._notes)], self._notes)
