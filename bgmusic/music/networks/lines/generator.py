"""A generator that decides on all lines of a phrase at once, from bars to beats to steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bgmusic.music.networks.causal.rows import playable_rows
from bgmusic.music.networks.checks import check_noise, check_phrases
from bgmusic.music.networks.composer.draft import Draft, to_draft, to_phrases
from bgmusic.music.networks.composer.noise import uniform_of
from bgmusic.music.networks.keys import KEYS, MARGIN, draw_keys, from_common, key_of, pitch_classes
from bgmusic.music.networks.lines.decisions import Intervals, Memory, compose_lines
from bgmusic.music.networks.pianoroll_config import LinesConfig, PianorollConfig
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import NEURONS, SBN
from bgmusic.neurons.draws import uniform_draws
from bgmusic.training.protocols import SampleNetwork

_NEVER = -30.0  # logit of what cannot be played


class Block(nn.Module):
    """A residual convolution over time ``(batch, time, channels)``."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        hidden = F.gelu(self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2))
        changed: Tensor = x + self.out(hidden)
        return changed


class LinesGenerator(SampleNetwork):
    """Generate phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones, from noise ``(batch, latent)``.

    A pitched track has a fixed number of lines. In each step a line changes or holds its row (a decision of one
    neuron), and a line that changes takes one row or rests. States of all steps come from the noise at once; a line
    also sees its intervals to its last row, and to the rows that other lines have decided on or hold. Drums decide on
    each row. The phrase is composed in C and transposed to a key that the last number of the noise draws.

    Args:
        config: its ``network`` is a :class:`LinesConfig`.
        shape: shape of the phrases.

    """

    keys: Tensor
    batch = 16

    def __init__(self, config: PianorollConfig, shape: RollShape) -> None:
        super().__init__()
        settings = config.network
        if not isinstance(settings, LinesConfig):
            raise TypeError("a generator of lines needs a LinesConfig")
        self.shape, self.settings, self.latent = shape, settings, settings.latent + 1
        self.neuron = NEURONS[config.neuron](config.estimator)
        self.register_buffer("keys", torch.ones(KEYS, dtype=torch.int64))
        channels, rows = settings.channels, shape.pitches + 2 * MARGIN
        self.drums = [track for track, drums in enumerate(shape.drums) if drums]
        self.pitched = [track for track, drums in enumerate(shape.drums) if not drums]
        lines, self.row_count = len(self.pitched) * settings.lines, rows
        self.first = nn.Linear(settings.latent, shape.bars * channels)
        self.of_bars = _blocks(channels, settings.layers)
        self.to_beats = nn.Linear(channels, shape.beats * channels)
        self.of_beats = _blocks(channels, settings.layers)
        self.to_steps = nn.Linear(channels, shape.unit * channels)
        self.of_steps = _blocks(channels, settings.layers)
        self.norm = nn.LayerNorm(channels)
        if self.pitched:
            self.intervals, self.memory = Intervals(rows, lines), Memory(rows, lines, channels)
            self.change, self.rows = nn.Linear(channels, lines), nn.Linear(channels, lines * (rows + 1))
        if self.drums:
            self.hits = nn.Linear(channels, len(self.drums) * rows)

    def see(self, phrases: Tensor) -> None:
        """Count the keys of real phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones."""
        check_phrases(phrases, self.shape)
        cells = to_draft(phrases, self.shape).cells
        self.keys += key_of(pitch_classes(cells, self.shape)).bincount(minlength=KEYS)

    @property
    def threshold_shape(self) -> tuple[int, ...] | None:
        """Numbers that stochastic neurons need in each step: changes and rows of lines, then drums."""
        numbers = 2 * len(self.pitched) * self.settings.lines + len(self.drums) * self.row_count
        return (self.shape.bars * self.shape.steps, numbers) if isinstance(self.neuron, SBN) else None

    def forward(
        self, noise: Tensor, generator: torch.Generator | None = None, thresholds: Tensor | None = None
    ) -> Tensor:
        """Generate phrases; stochastic neurons draw from ``generator``, or take ``thresholds``."""
        check_noise(noise, self.latent)
        shape = self.shape
        if thresholds is None:
            size = len(noise), *(self.threshold_shape or (shape.bars * shape.steps, 0))
            thresholds = uniform_draws(size, generator, noise.device)
        keys = draw_keys(self.keys, uniform_of(noise[:, -1]))
        cells, onsets = self.compose(self.states(noise[:, :-1]), playable_rows(keys, shape), thresholds)
        planes = [from_common(plane.transpose(1, 2), keys, shape) for plane in (cells, onsets)]
        draft = Draft(planes[0], planes[1] if shape.planes > 1 else None)
        return to_phrases(draft, shape).to(noise.dtype)

    def states(self, noise: Tensor) -> Tensor:
        """Map noise ``(batch, latent)`` to the states of steps ``(batch, steps, channels)``."""
        x = self.of_bars(self.first(noise).unflatten(1, (self.shape.bars, -1)))
        x = self.of_beats(self.to_beats(x).unflatten(2, (self.shape.beats, -1)).flatten(1, 2))
        x = self.of_steps(self.to_steps(x).unflatten(2, (self.shape.unit, -1)).flatten(1, 2))
        states: Tensor = self.norm(x)
        return states

    def compose(self, states: Tensor, playable: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
        """Decide on all tracks.

        Args:
            states: of steps, ``(batch, steps, channels)``.
            playable: rows within each track's range, boolean ``(batch, tracks, rows)``.
            thresholds: of stochastic neurons, see :attr:`threshold_shape`; nothing for others.

        Returns:
            Cells and onsets in the common key, zeros and ones ``(batch, steps, tracks, rows)``.

        """
        batch, steps = states.shape[:2]
        lines, tracks, rows = self.settings.lines, len(self.shape.track_set), self.row_count
        of_changes, of_rows, of_drums = self._shared(thresholds)
        cells = [states.new_zeros(batch, steps, rows, dtype=torch.float32)] * tracks
        onsets = list(cells)
        if self.pitched:
            may = playable[:, self.pitched].repeat_interleave(lines, 1)[:, None]
            changes = self.neuron(self.change(states).float(), thresholds=of_changes)
            changes = torch.cat([torch.ones_like(changes[:, :1]), changes[:, 1:]], 1)
            logits = self.rows(states).unflatten(2, (len(self.pitched) * lines, rows + 1))
            logits = logits.float().masked_fill(~F.pad(may, (0, 1), value=True), _NEVER)
            with torch.autocast(states.device.type, enabled=False):
                known = (self.memory, states.float())
                sounding, struck = compose_lines(self.neuron, changes, logits, self.intervals(), of_rows, *known)
            for place, track in enumerate(self.pitched):
                own = slice(place * lines, (place + 1) * lines)
                cells[track] = _any(sounding[:, :, own, :rows])
                onsets[track] = _any(struck[:, :, own, :rows])
        if self.drums:
            logits = self.hits(states).unflatten(2, (len(self.drums), rows)).float()
            hits = self.neuron(logits.masked_fill(~playable[:, None, self.drums], _NEVER), thresholds=of_drums)
            for place, track in enumerate(self.drums):
                cells[track] = onsets[track] = hits[:, :, place]
        return torch.stack(cells, 2), torch.stack(onsets, 2)

    def _shared(self, thresholds: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Share thresholds among changes, rows and drums; deterministic neurons have none."""
        lines = len(self.pitched) * self.settings.lines
        if not thresholds.shape[2]:
            none = thresholds.new_zeros(*thresholds.shape[:2], lines)
            return none, none, None
        changes, rows, drums = thresholds.split([lines, lines, thresholds.shape[2] - 2 * lines], 2)
        return changes, rows, drums.unflatten(2, (len(self.drums), self.row_count)) if self.drums else None


def _any(lines: Tensor) -> Tensor:
    """Join the lines of a track ``(batch, steps, lines, rows)``: 1 where any of them is."""
    return lines[:, :, 0] if lines.shape[2] == 1 else 1 - (1 - lines).prod(2)


def _blocks(channels: int, layers: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels, 1 << (layer % 3)) for layer in range(layers)))
