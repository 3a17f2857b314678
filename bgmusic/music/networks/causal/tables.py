"""A track's decisions, arranged for composing one step at a time: few, large operations instead of many small ones.

The mathematics is that of :mod:`.decoder`, which serves training. Rows of lines are counted from 1 here, and 0 is none,
so that a pair of rows is a place in a table; what follows from a pair is looked up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bgmusic.music.networks.causal.context import StepEmbedding
from bgmusic.music.networks.causal.decoder import IMPOSSIBLE, REACH, TrackDecoder, towards
from bgmusic.music.networks.causal.rows import PLANES
from bgmusic.music.networks.causal.state import LAST, NOW, StepState
from bgmusic.music.networks.causal.stepping import affine, hidden_layer
from bgmusic.music.networks.causal.steps import HOLD, MOTIONS, REST, UNKNOWN, interval_of, motion_of

_CLASSES = 13  # pitch classes and none
_BEFORE = 25  # intervals before: classes of a track above another, or in unison, then below it, then none
_MOVES = 2 * _BEFORE * _CLASSES  # of a track: it moves or not, interval before, class of its row
_OFFSETS = 2 * REACH + 1
_PAD = 16  # outputs of the smallest product: MKL sums a single column in another order


class Lookups:
    """What follows from pairs of rows ``(first, second)``, at ``first * size + second``.

    Attributes:
        size: number of rows, with none.
        pairs: class of the interval to the first row from the second; then from the first row to the second.
        moves: first of the classes ``_MOVES`` of the interval from the second row to the first.
        after: ``NOW``, ``MOVE`` and ``MOTION`` of a line that is now at the first row and was at the second; a line
            whose note starts comes after one whose note is held, at ``2 * place + 1``.
        going_on: of each row that goes on: its class, as in ``MOVE``, and its motion while it is unknown and when it
            is known, int64 ``(size, 3)``.
        ids: what each note that sounds, and each that starts, adds to the place in ``after``, float ``(2, rows)``; of
            several notes of a track the largest counts.

    """

    def __init__(self, rows: int, device: torch.device) -> None:
        self.size = rows + 1
        lines = torch.arange(-1, rows, device=device)
        first, second = torch.cartesian_prod(lines, lines).T
        self.pairs = torch.cat([interval_of(first, second, rows), interval_of(second, first, rows)])
        both = (first >= 0) & (second >= 0)
        self.moves = torch.where(both, (first - second) % 12 + 12 * (first < second), _BEFORE - 1) * _CLASSES
        starts = torch.tensor([False, True], device=device)
        now, last = first[:, None], second[:, None]
        motion = motion_of(now, last, starts)
        moves = (motion < HOLD) & (now != last)
        codes = torch.where(now >= 0, now % 12, 12) + _BEFORE * _CLASSES * moves
        self.after = torch.stack([(now + 1).expand_as(motion), codes, motion], -1).flatten(0, 1)
        classes = torch.where(lines >= 0, lines % 12, 12)
        motions = torch.where(lines >= 0, HOLD, REST)
        self.going_on = torch.stack([classes, torch.full_like(lines, UNKNOWN), motions], 1)
        ids = torch.arange(1, rows + 1, dtype=torch.float32, device=device)
        self.ids = torch.stack([2 * self.size * ids, torch.ones_like(ids)])


class TrackTables:
    """The weights of one track's decoder, without dropout; see :class:`TrackDecoder`.

    Args:
        decoder: the decoder.
        notes: embedding of notes.
        lookups: shared by all tracks.
        tracks: number of tracks.
        batch: number of rows.

    """

    def __init__(
        self,
        decoder: TrackDecoder,
        notes: StepEmbedding,
        lookups: Lookups,
        tracks: int,
        batch: int,
    ) -> None:
        self.track, self.rows, self.tracks, self.lookups = decoder.track, decoder.pitches, tracks, lookups
        self.pitched = not decoder.is_drum
        weight, width = decoder.since.weight, decoder.since.embedding_dim
        device = weight.device
        self.notes = notes.cells.weight[:, self.track * self.rows : (self.track + 1) * self.rows].t().contiguous()
        self.chosen, self._leading = decoder.chosen.weight, decoder.leading
        self._first = _transposed(decoder.first[0])
        self._second = _transposed(decoder.second[0])
        padding = weight.new_zeros(_PAD - 1, decoder.change.in_features)
        heads = torch.cat([decoder.change.weight, padding, decoder.going_on.weight])
        self._heads = torch.cat([decoder.change.bias, padding[:, 0], decoder.going_on.bias]), heads.t().contiguous()
        self._change = self._heads[0][:_PAD], self._heads[1][:, :_PAD].contiguous()
        if decoder.returns:
            padding = weight.new_zeros(max(0, _PAD - decoder.returns), decoder.change.in_features)
            rows = torch.cat([decoder.returning.weight, padding])
            self._returning = torch.cat([decoder.returning.bias, padding[:, 0]]), rows.t().contiguous()
            self._returns = decoder.returns
        # One table of everything seen, with zeros first for what this track does not look at.
        intervals = 2 * self.rows + 1
        zeros = weight.new_zeros(max(intervals, MOTIONS), width)
        parts = [zeros, decoder.intervals_before.weight, decoder.intervals_now.weight, decoder.motions.weight, weight]
        if decoder.returns:
            parts.append(decoder.returned.weight)
        starts = torch.tensor([0, *(len(part) for part in parts[:-1])]).cumsum(0).tolist()
        self._seen = torch.cat(parts)
        slots = {track: slot for slot, track in enumerate(decoder.pitched)}
        others = {track: slot for slot, track in enumerate(decoder.others)}
        places = [starts[1 + now] + slots[track] * intervals if track in slots else 0
                  for track in range(tracks) for now in (0, 1)]  # fmt: skip
        places = places if self.pitched else []
        places += [starts[3] + others[track] * MOTIONS if track in others else 0 for track in range(tracks)]
        places.append(starts[4])
        if decoder.returns:
            places += [starts[5] + track * (decoder.returns + 1) for track in range(tracks)]
        self._places = torch.tensor(places, device=device)
        self._bags = torch.arange(batch, device=device) * len(self._places)
        self._halves = torch.tensor([0, lookups.size**2], device=device)  # of ``lookups.pairs``, for LAST and NOW
        if self.pitched:
            self._arrange_intervals(decoder, slots)
        else:
            self._rows = _transposed(decoder.rows)
        self._eye = torch.eye(self.rows + 1, self.rows, device=device)
        # Of each row that is chosen: what it adds to those that may follow.
        self._above = torch.ones(self.rows, self.rows, device=device).tril_().mul_(IMPOSSIBLE)

    def _arrange_intervals(self, decoder: TrackDecoder, slots: dict[int, int]) -> None:
        rows, tracks, device = self.rows, self.tracks, self._seen.device
        # What a row gains: interval before and class of the row of each other track, for all rows.
        table = decoder.progress.new_zeros(1 + len(slots), 2, _BEFORE, _CLASSES, rows)
        classes = (torch.arange(rows, device=device) - torch.arange(12, device=device)[:, None]) % 12
        if slots:
            progress = decoder.progress[:, :, [*range(12), *range(12), 12]]
            table[1:, :, :, :12] = progress[..., classes]
        self._progress = table.view(-1, rows)
        steps = [_MOVES * (1 + slots[track]) if track in slots else 0 for track in range(tracks)]
        self._progress_places = torch.tensor(steps, device=device)
        self._progress_bags = self._bags // len(self._places) * tracks
        # Tables of intervals to each track's line (its own: the last row), then to the note that was chosen last. Each
        # has a column of zeros for none.
        weights = decoder.rows.weight[rows + 1 :].view(decoder.references, _OFFSETS, -1)
        biases = decoder.rows.bias[rows + 1 :].view(decoder.references, _OFFSETS)
        order = [0 if track == self.track else 1 + slots[track] if track in slots else None for track in range(tracks)]
        weight = weights.new_zeros(tracks + 1, _OFFSETS + 1, weights.shape[2])
        bias = weights.new_zeros(tracks + 1, _OFFSETS + 1)
        for place, reference in enumerate([*order, decoder.references - 1]):
            if reference is not None:
                weight[place, :_OFFSETS], bias[place, :_OFFSETS] = weights[reference], biases[reference]
        last = (decoder.harmony, decoder.ahead)
        weight = torch.cat([decoder.rows.weight[: rows + 1], weight.flatten(0, 1), *(layer.weight for layer in last)])
        bias = torch.cat([decoder.rows.bias[: rows + 1], bias.flatten(), *(layer.bias for layer in last)])
        self._pitched, self._ahead = decoder.pitched, decoder.ahead.out_features
        self._planes = slice(len(bias) - self._ahead - PLANES, len(bias) - self._ahead)
        self._rows = bias, weight.t().contiguous()
        lines = torch.arange(-1, rows, device=device)[:, None]
        offsets = (torch.arange(rows, device=device) - lines).clamp(-REACH, REACH) + REACH
        offsets = torch.where(lines >= 0, offsets, _OFFSETS)
        tables = rows + 1 + torch.arange(tracks + 1, device=device)[:, None, None] * (_OFFSETS + 1)
        self._offsets = (offsets + tables).view(-1, rows)
        self._offsets_of_chosen = self._offsets[-rows:]
        self._tables, self._own = torch.arange(tracks, device=device) * (rows + 1), self.track * (rows + 1)

    def hidden(self, state: Tensor, seen: StepState, returned: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Add what the track sees of the step to the state; return it with the first hidden layer.

        Args:
            state: ``(batch, width)``.
            seen: the step.
            returned: how each track's beat returns, int64 ``(batch, tracks)``; None: beats do not return.

        """
        own = seen.tracks[self.track]
        columns = [seen.motions, own.since]
        if returned is not None:
            columns.append(returned)
        if self.pitched:
            pairs = torch.add(seen.lines, own.last[:, None, None], alpha=self.lookups.size).add_(self._halves)
            columns = [torch.take(self.lookups.pairs, pairs).flatten(1), *columns]
        places = torch.cat(columns, 1).add_(self._places)
        state = state + bag(self._seen, places, self._bags)
        return state, hidden_layer(self._first[0], state, self._first[1])

    def leading(self, last: Tensor, ahead: Tensor) -> Tensor:
        """Embed how the track's line leads to given lines at the next beat; see :meth:`TrackDecoder.leading`."""
        return self._leading(last - 1, ahead)

    def change(self, hidden: Tensor) -> Tensor:
        """Return the logits of a change ``(items,)``."""
        return affine(self._change[0], hidden, self._change[1])[:, 0]

    def returning(self, hidden: Tensor) -> Tensor:
        """Return the logits of beats that return, ``(items, bars)``."""
        return affine(self._returning[0], hidden, self._returning[1])[:, : self._returns]

    def going_on(self, hidden: Tensor) -> Tensor:
        """Return the logits of notes that go on ``(items, rows)``."""
        return affine(self._heads[0], hidden, self._heads[1])[:, _PAD:]

    def prior(self, codes: Tensor, impossible: Tensor) -> Tensor:
        """Return what is added to the logits of rows, see :meth:`TrackDecoder.prior`."""
        if not self.pitched:
            return impossible * IMPOSSIBLE
        last, _, moves, _ = codes.unbind(2)
        pairs = torch.add(last, codes[:, self.track, LAST, None], alpha=self.lookups.size)
        places = torch.take(self.lookups.moves, pairs).add_(moves).add_(self._progress_places)
        return bag(self._progress, places, self._progress_bags[: codes.shape[0]]).masked_fill_(impossible, IMPOSSIBLE)

    def references(self, codes: Tensor) -> Tensor | None:
        """Return numbers of the outputs that rows add for their intervals to lines: ``(items, tracks * rows)``."""
        if not self.pitched:
            return None
        lines = codes[:, :, NOW] + self._tables
        torch.add(codes[:, self.track, LAST], self._own, out=lines[:, self.track])
        return self._offsets.index_select(0, lines.flatten()).view(codes.shape[0], -1)

    def note_logits(
        self,
        state: Tensor,
        references: Tensor | None,
        chord: Tensor | None,
        ahead: Tensor | None,
        lowest: Tensor | None,
        prior: Tensor,
        must: Tensor | None = None,
    ) -> Tensor:
        """Return the logits of the next note that starts, see :meth:`TrackDecoder.note_logits`.

        Args:
            state: ``(items, width)``, with the notes chosen so far.
            references: see :meth:`references`.
            chord: planned rows, float ``(items, PLANES, rows)``; None: unknown.
            ahead: given lines at the next beat, int64 ``(items, tracks)``, -1 for none; None: nothing is given.
            lowest: row of the note chosen last, from 0, int64 ``(items,)``; None: this is the first.
            prior: see :meth:`prior`.
            must: whether a note has to start, boolean ``(items,)``; None: in none.

        """
        hidden = hidden_layer(self._second[0], state, self._second[1])
        outputs = affine(self._rows[0], hidden, self._rows[1])
        if references is not None:
            relative = outputs.gather(1, references).view(state.shape[0], -1, self.rows).sum(1)
            prior = relative.add_(prior)
            if lowest is not None:
                prior += outputs.gather(1, self._offsets_of_chosen.index_select(0, lowest))
            if chord is not None:
                prior += (outputs[:, self._planes, None] * chord).sum(1)
            if ahead is not None and self._pitched:
                prior += towards(outputs[:, -self._ahead :], ahead[:, self._pitched], self.rows)
        if lowest is not None:
            prior = prior + self._above.index_select(0, lowest)
        logits = outputs[:, : self.rows + 1]
        logits[:, :-1].add_(prior)
        if must is not None:
            logits[:, -1].add_(must, alpha=IMPOSSIBLE)
        return logits

    def one_hot(self, notes: Tensor) -> Tensor:
        """Return rows with one note, none for the number of rows: ``(items,)`` to float ``(items, rows)``."""
        return self._eye.index_select(0, notes)


def bag(table: Tensor, places: Tensor, begins: Tensor) -> Tensor:
    """Sum rows of a table: ``(items, columns)`` to ``(items, width)``; ``begins`` are multiples of ``columns``."""
    summed: Tensor = torch.embedding_bag(table, places.flatten(), begins, False, 0)[0]
    return summed


def _transposed(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the bias and the transposed weight of a linear layer."""
    if not isinstance(layer, nn.Linear):
        raise TypeError("expected a linear layer")
    return layer.bias, layer.weight.t().contiguous()
