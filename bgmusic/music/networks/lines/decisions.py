"""Decide which rows of lines sound.

The binary neurons of a line's rows share a threshold that exactly one of them passes. Each decision sees those before
it by its intervals to them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.neurons import DBN, BinaryNeuron, sbn
from bgmusic.neurons.coupling import coupled_thresholds

REACH = 12
"""Semitones of the tables of melodic intervals; larger ones share the outermost entries."""
OCTAVE = 12
MEMORY = 128
"""Numbers that are remembered of the steps before."""
HIDDEN = 64
"""Hidden channels of a line in a step."""


def choose_rows(neuron: BinaryNeuron, logits: Tensor, draws: Tensor) -> Tensor:
    """Choose one of the last dimension's rows: zeros and a single one, of the logits' shape.

    A deterministic neuron's threshold lies between the two largest outputs, so that the most likely row fires. With
    stochastic neurons, the lowest row is chosen for which the sum of the probabilities up to it passes a uniform
    threshold. Gradients are those of the neuron's estimator.

    Args:
        neuron: a DBN or an SBN, for its slope and estimator.
        logits: float ``(..., rows)``.
        draws: numbers in [0, 1) ``(..., 1)`` for an SBN.

    """
    chances = (neuron.slope * logits.float()).softmax(-1)
    deterministic = isinstance(neuron, DBN)
    if neuron.current_estimator() == "sigmoid-adjusted":  # its gradient is that of the probabilities
        found = chances.argmax(-1, keepdim=True) if deterministic else _passed(chances, draws)
        fired = torch.zeros_like(chances).scatter_(-1, found, 1.0)
        return fired + (chances - chances.detach())
    if deterministic:
        two = chances.detach().topk(2, -1).values
        # Of two equal rows none would pass.
        thresholds = torch.where(two[..., 1:] < two[..., :1], two.mean(-1, keepdim=True), two[..., :1] * (1 - 1e-6))
    else:
        thresholds = coupled_thresholds(chances, draws)
    logits = chances.clamp(1e-6, 1 - 1e-6).logit()
    return sbn(logits, 1.0, neuron.current_estimator(), thresholds=thresholds.clamp(max=1 - 1e-7))


def _passed(chances: Tensor, draws: Tensor) -> Tensor:
    """Return the number of the row whose threshold is passed, as :func:`coupled_thresholds` has it: ``(..., 1)``."""
    below = chances.double().cumsum(-1)
    return (below[..., :-1] <= draws * below[..., -1:]).sum(-1, keepdim=True)


class Intervals(nn.Module):
    """What a line's next row gains by its intervals to its own last row and to the rows of other lines.

    Args:
        rows: number of rows.
        lines: number of lines.

    """

    def __init__(self, rows: int, lines: int) -> None:
        super().__init__()
        self.rows = rows
        self.melody = nn.Parameter(torch.zeros(lines, 2 * REACH + 1))
        self.harmony = nn.Parameter(torch.zeros(lines, lines, OCTAVE))
        self.crossing = nn.Parameter(torch.zeros(lines, lines))

    def forward(self) -> list[Tensor]:
        """Return for each line a matrix ``(lines * (rows + 1), rows + 1)``, its own rows first; rests gain nothing."""
        places = torch.arange(self.rows, device=self.melody.device)
        apart = places - places[:, None]  # (from, to)
        moves, above = apart.clamp(-REACH, REACH) + REACH, apart % OCTAVE
        tables = []
        for line, melody in enumerate(self.melody.unbind()):
            parts = [melody[moves]]
            for other in _others(line, len(self.melody)):
                higher = self.crossing[line, other] * (apart > 0)
                parts.append(self.harmony[line, other][above] + higher)
            tables.append(torch.cat([F.pad(part, (0, 1, 0, 1)) for part in parts]))
        return tables


class Memory(nn.Module):
    """What a line's next row gains by all rows that sound, and by those that were decided in the steps before.

    A recurrent cell remembers what sounded. One hidden layer of each line sees that memory, the state of the step, the
    line's own last row and the rows of the other lines.

    Args:
        rows: number of rows.
        lines: number of lines.
        channels: of the states of steps.

    """

    def __init__(self, rows: int, lines: int, channels: int) -> None:
        super().__init__()
        width = lines * (rows + 1)
        self.of_states = nn.Linear(channels, lines * HIDDEN)
        self.cell = nn.GRUCell(width, MEMORY)
        self.of_rows = nn.Parameter(torch.randn(lines, MEMORY + width, HIDDEN) * 0.1)
        self.out = nn.Parameter(torch.randn(lines, HIDDEN, rows + 1) * 0.02)

    def gain(self, line: int, state: Tensor, memory: Tensor, seen: Tensor) -> Tensor:
        """Return what the rows of a line gain, ``(batch, rows + 1)``.

        Args:
            line: its number.
            state: of the step, for this line: ``(batch, HIDDEN)``.
            memory: of the steps before, ``(batch, MEMORY)``.
            seen: its own last row, then the rows of other lines ``(batch, lines * (rows + 1))``.

        """
        return F.gelu(state + torch.cat([memory, seen], 1) @ self.of_rows[line]) @ self.out[line]


def compose_lines(
    neuron: BinaryNeuron,
    changes: Tensor,
    logits: Tensor,
    tables: list[Tensor],
    draws: Tensor,
    memory: Memory,
    states: Tensor,
) -> tuple[Tensor, Tensor]:
    """Decide on the rows of lines step by step, and within a step line by line.

    A line sees the rows of the lines before it, and of later lines those that are held.

    Args:
        neuron: makes the decisions.
        changes: zeros and ones ``(batch, steps, lines)``: where a line takes a row anew; else it holds its row.
        logits: of rows, then of a rest, ``(batch, steps, lines, rows + 1)``.
        tables: see :class:`Intervals`.
        draws: numbers in [0, 1) ``(batch, steps, lines)`` for SBNs.
        memory: of what sounded.
        states: of steps ``(batch, steps, channels)``.

    Returns:
        What sounds and what starts, zeros and ones of the shape of ``logits``.

    """
    steps = [step.unbind(1) for step in logits.unbind(1)]
    last: list[Tensor] = [torch.zeros_like(line) for line in steps[0]]
    sounding, struck = [], []
    hidden = memory.of_states(states).unflatten(2, (len(last), HIDDEN)).unbind(1)
    remembered = logits.new_zeros(len(logits), MEMORY)
    each = zip(changes.unsqueeze(3).unbind(1), steps, hidden, draws.unsqueeze(3).unbind(1), strict=True)
    for change, step, state, draw in each:
        held = [(1 - change[:, line]) * row for line, row in enumerate(last)]
        now, starts = list(held), []
        for line, own in enumerate(step):
            seen = torch.cat([last[line], *(now[other] for other in _others(line, len(now)))], 1)
            gains = seen @ tables[line] + memory.gain(line, state[:, line], remembered, seen)
            row = choose_rows(neuron, own + gains, draw[:, line])
            starts.append(change[:, line] * row)
            now[line] = starts[line] + held[line]
        last = now
        remembered = memory.cell(torch.cat(now, 1), remembered)
        sounding.append(torch.stack(now, 1))
        struck.append(torch.stack(starts, 1))
    return torch.stack(sounding, 1), torch.stack(struck, 1)


def _others(line: int, lines: int) -> list[int]:
    return [other for other in range(lines) if other != line]
