"""Compose phrases step by step: each decision is made by a binary neuron and sees all decisions before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bgmusic.music.networks.causal.decoder import Seen, TrackDecoder, unknown_motion
from bgmusic.music.networks.causal.noise import CHANGE, GOING_ON, NOTES
from bgmusic.music.networks.causal.particles import ParticleFilter
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.steps import LONGEST, line_of, motion_of
from bgmusic.music.networks.composer.decisions.base import fire, logit_of


@dataclass
class Progress:
    """The phrases after the steps so far; see :class:`Steps`. Tensors are replaced, never changed in place.

    Attributes:
        cells: notes that sounded in the last step, boolean ``(batch, tracks, rows)``.
        line: rows of the lines in the last step, -1 for none, int64 ``(batch, tracks)``.
        last: last rows of the lines, also during a rest, int64 ``(batch, tracks)``.
        since: steps since each track's last change, int64 ``(batch, tracks)``.

    """

    cells: Tensor
    line: Tensor
    last: Tensor
    since: Tensor

    def select(self, rows: Tensor) -> Progress:
        """Return the rows of the batch with the given numbers."""
        return Progress(self.cells[rows], self.line[rows], self.last[rows], self.since[rows])

    @classmethod
    def begin(cls, batch: int, tracks: int, pitches: int, device: torch.device) -> Progress:
        """Return the state before the first step."""
        none = torch.full((batch, tracks), -1, device=device)
        cells = torch.zeros(batch, tracks, pitches, dtype=torch.bool, device=device)
        return cls(cells, none, none, torch.ones_like(none))


@dataclass(frozen=True)
class Given:
    """What is known of phrases: boolean ``(batch, steps, tracks[, rows])``.

    Attributes:
        cells: notes.
        onsets: where they start; None in the pause encoding.
        known: steps of tracks that are not decided on; a silent one is known and has no notes.

    """

    cells: Tensor
    onsets: Tensor | None
    known: Tensor

    def select(self, rows: Tensor) -> Given:
        """Return the rows of the batch with the given numbers."""
        onsets = None if self.onsets is None else self.onsets[rows]
        return Given(self.cells[rows], onsets, self.known[rows])

    def at(self, step: int) -> Given:
        """Return one step, without that dimension."""
        onsets = None if self.onsets is None else self.onsets[:, step]
        return Given(self.cells[:, step], onsets, self.known[:, step])


@dataclass(frozen=True)
class Task:
    """Phrases to compose.

    Attributes:
        given: what is known.
        repeats: number of the bar that each bar repeats or its own, int64 ``(batch, tracks, bars)``; None: all are new.
        context: what is known as the network sees it, float ``(batch, steps, width)``.
        playable: rows within each track's range, boolean ``(batch, tracks, rows)``.
        chords: planned chords and their basses as rows, float ``(batch, steps, 2, rows)``, zeros where unknown.

    """

    given: Given
    repeats: Tensor | None
    context: Tensor
    playable: Tensor
    chords: Tensor

    def repeated(self, drafts: int) -> Task:
        """Return each phrase ``drafts`` times in a row."""
        rows = torch.arange(len(self.context), device=self.context.device).repeat_interleave(drafts)
        repeats = None if self.repeats is None else self.repeats[rows]
        given = self.given.select(rows)
        return Task(given, repeats, self.context[rows], self.playable[rows], self.chords[rows])


@torch.no_grad()
def compose_steps(
    parts: Parts, task: Task, thresholds: Tensor, particles: ParticleFilter | None = None
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Decide on all steps that are not known; yield the steps so far after each unit, and at the end the result.

    Args:
        parts: the composer, in evaluation mode.
        task: the phrases.
        thresholds: see :meth:`NoiseLayout.thresholds`.
        particles: draws the drafts that go on after each unit; None: each row of the batch is a phrase of its own.

    Yields:
        The number of steps done; cells and onsets, boolean ``(batch, steps, tracks, rows)``: of all drafts, at the end
        of each phrase.

    """
    given, repeats, context = task.given, task.repeats, task.context
    batch, steps, tracks, pitches = given.cells.shape
    trunk, limits = parts.trunk, parts.limits
    progress = Progress.begin(batch, tracks, pitches, context.device)
    caches = trunk.caches(batch)
    before: Tensor | None = None
    cells, onsets = torch.zeros_like(given.cells), torch.zeros_like(given.cells)
    # A step of a track that is known in every phrase is never computed.
    computed = (~given.known).any(0).tolist()
    for step in range(steps):
        bar, place = divmod(step, parts.shape.steps)
        if repeats is not None and place == 0 and bar:
            given = _repeat_bar(given, cells, onsets, repeats[:, :, bar], bar, parts.shape.steps)
            computed = (~given.known).any(0).tolist()
        state = trunk.step(before, context[:, step], caches) + context[:, step]
        progress, started, motion = _compose_step(
            parts, state, progress, given.at(step), task, step, thresholds[step], computed[step], limits
        )
        cells[:, step], onsets[:, step] = progress.cells, started
        whole = (step + 1) % parts.shape.unit == 0 and step + 1 < steps
        if particles and whole:
            rows = particles.draw(cells[:, : step + 1], onsets[:, : step + 1])
            cells, onsets, started, motion = cells[rows], onsets[rows], started[rows], motion[rows]
            progress, given = progress.select(rows), given.select(rows)
            for cache in caches:
                cache.select(rows)
        shown = started.float() if given.onsets is not None else None
        before = trunk.embed(progress.cells.float(), shown, progress.line, motion)
        if whole:
            yield step + 1, cells, onsets
    if particles:
        chosen = particles.result(cells, onsets)
        cells, onsets = cells[chosen], onsets[chosen]
    yield steps, cells, onsets


def _repeat_bar(given: Given, cells: Tensor, onsets: Tensor, repeats: Tensor, bar: int, steps: int) -> Given:
    """Copy earlier bars of ``steps`` steps to the tracks that repeat them in ``bar``, unless a step of it is known."""
    here = slice(bar * steps, (bar + 1) * steps)
    again = (repeats < bar) & ~given.known[:, here].any(1)
    if not bool(again.any()):
        return given
    place = (repeats.clamp(max=bar) * steps)[:, None] + torch.arange(steps, device=cells.device)[:, None]
    place = place[..., None].expand(-1, -1, -1, cells.shape[3])

    def copied(plane: Tensor, made: Tensor) -> Tensor:
        plane = plane.clone()
        plane[:, here] = torch.where(again[:, None, :, None], made.gather(1, place), plane[:, here])
        return plane

    known = given.known.clone()
    known[:, here] |= again[:, None]
    starts = given.onsets if given.onsets is None else copied(given.onsets, onsets)
    return Given(copied(given.cells, cells), starts, known)


def _compose_step(
    parts: Parts,
    state: Tensor,
    progress: Progress,
    given: Given,
    task: Task,
    step: int,
    thresholds: Tensor,
    computed: list[bool],
    limits: list[int],
) -> tuple[Progress, Tensor, Tensor]:
    """Decide on one step; returns the progress, the notes that start, and the motion of the lines."""
    given_started = given.cells & ~progress.cells
    if given.onsets is not None:
        given_started = given_started | (given.cells & given.onsets)
    given_line = line_of(given.cells)
    given_motion = motion_of(given_line, progress.last, given_started.any(-1))
    chord = task.chords[:, step]
    seen = Seen(progress.last, progress.line, unknown_motion(progress.line), progress.since, chord)
    seen = seen.with_decided(given.known, given_line, given_motion)
    cells, starts, lines, motions, changes = [], [], [], [], []
    for track, decoder in enumerate(parts.decoders):
        before, known = progress.cells[:, track], given.known[:, track]
        if computed[track]:
            kept, started, changed = _decide_track(
                parts, decoder, state, seen, before, task.playable[:, track], thresholds[track], limits[track]
            )
            now = torch.where(changed[:, None], kept | started, before)
            now = torch.where(known[:, None], given.cells[:, track], now)
            started = torch.where(known[:, None], given_started[:, track], started)
        else:
            now, started = given.cells[:, track], given_started[:, track]
        line = line_of(now)
        motion = motion_of(line, progress.last[:, track], started.any(-1))
        cells.append(now)
        starts.append(started)
        lines.append(line)
        motions.append(motion)
        changes.append(started.any(-1) | (before & ~now).any(-1))
        if track + 1 < len(computed):
            decided = torch.zeros_like(given.known)
            decided[:, track] = True
            seen = seen.with_decided(decided, line[:, None], motion[:, None])
            state = state + parts.trunk.notes.notes_of(track, now.float())
    line, changed = torch.stack(lines, 1), torch.stack(changes, 1)
    last = torch.where(line >= 0, line, progress.last)
    since = torch.where(changed, 1, progress.since + 1).clamp(max=LONGEST)
    return Progress(torch.stack(cells, 1), line, last, since), torch.stack(starts, 1), torch.stack(motions, 1)


def _decide_track(
    parts: Parts,
    decoder: TrackDecoder,
    state: Tensor,
    seen: Seen,
    before: Tensor,
    playable: Tensor,
    thresholds: Tensor,
    limit: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Decide what a track plays in a step.

    Args:
        parts: the composer.
        decoder: of the track.
        state: of the step, float ``(batch, width)``.
        seen: what the track sees of the step.
        before: its notes one step before, boolean ``(batch, rows)``.
        playable: rows within its range, boolean ``(batch, rows)``.
        thresholds: ``(numbers, batch)``.
        limit: the most notes that it plays at once.

    Returns:
        Notes that go on and notes that start, boolean ``(batch, rows)``, and whether it changes, ``(batch,)``.

    """
    neuron, track = parts.neuron, decoder.track
    state = decoder.state(state, seen)
    hidden = decoder.first(state)
    changed = fire(neuron, decoder.change(hidden)[:, 0], thresholds[CHANGE]) > 0.5
    kept, started = torch.zeros_like(before), torch.zeros_like(before)
    rows = changed.nonzero()[:, 0]
    if not len(rows):
        return kept, started, changed
    state, seen = state[rows], seen.at(rows)
    references, chord = decoder.references_of(seen), seen.chord
    if limit > 1:  # notes that go on share a threshold, so they end together unless they differ
        going = fire(neuron, decoder.going_on(hidden[rows]).float(), thresholds[GOING_ON][rows, None]) > 0.5
        kept[rows] = going & before[rows]
        state = state + parts.trunk.notes.notes_of(track, kept[rows].float())
    lowest = torch.full_like(rows, -1)
    room = limit - kept[rows].sum(1)
    prior, must = parts.constraints(decoder, seen, before[rows], kept[rows], playable[rows])
    for number in range(min(limit, parts.settings.chords)):
        logits = decoder.note_logits(state, references, chord, lowest, prior, must)
        note = _choose(parts, logits, thresholds[NOTES + number][rows])
        note = torch.where(room > 0, note, decoder.pitches)
        chosen = (note < decoder.pitches).nonzero()[:, 0]
        started[rows[chosen], note[chosen]] = True
        if not len(chosen) or number + 1 == min(limit, parts.settings.chords):
            break
        rows, references, lowest, room = rows[chosen], references[chosen], note[chosen], room[chosen] - 1
        chord = chord[chosen]
        prior, must = prior[chosen], torch.zeros_like(rows, dtype=torch.bool)
        state = state[chosen] + decoder.chosen(lowest)
    return kept, started, changed


def _choose(parts: Parts, logits: Tensor, thresholds: Tensor) -> Tensor:
    """Choose a row for each item: the lowest whose binary neuron fires.

    The neuron of a row has the logit of the probability that this row or a lower one is chosen; all rows share a
    threshold, so each row is chosen with its own probability.

    Args:
        parts: for its neuron and the nucleus.
        logits: ``(items, rows + 1)``.
        thresholds: ``(items,)``.

    Returns:
        int64 ``(items,)``.

    """
    probabilities = nucleus(logits.softmax(1), parts.settings.nucleus)
    below = probabilities.cumsum(1)
    below = below / below[:, -1:]
    fired = fire(parts.neuron, logit_of(below.clamp(min=1e-12).log()), thresholds[:, None])
    fired[:, -1] = 1
    return fired.argmax(1)


def nucleus(probabilities: Tensor, share: float) -> Tensor:
    """Keep the most likely values that together have the probability ``share``; the others become 0.

    Source: Holtzman et al., "The curious case of neural text degeneration", arXiv 1904.09751.
    """
    if share >= 1:
        return probabilities
    ordered, order = probabilities.sort(descending=True)
    kept = ordered * (ordered.cumsum(-1) - ordered < share)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)
