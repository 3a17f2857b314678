"""Compose phrases step by step, and let a particle filter draw the drafts that go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from bgmusic.music.networks.causal.particles import ParticleFilter
from bgmusic.music.networks.causal.parts import Parts
from bgmusic.music.networks.causal.step_composer import StepComposer
from bgmusic.music.networks.causal.task import Task
from bgmusic.training.threads import one_thread

_FEW = 32  # drafts, at most, whose steps are composed with one thread: at rest that costs a seventh


@torch.inference_mode()
def compose_steps(
    parts: Parts, task: Task, thresholds: Tensor, particles: ParticleFilter | None = None
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Decide on all steps that are not known; yield the steps so far after each unit, and at the end the result.

    Args:
        parts: the composer; it composes without dropout.
        task: the phrases.
        thresholds: see :meth:`NoiseLayout.thresholds`.
        particles: draws the drafts that go on after each unit; None: each row of the batch is a phrase of its own.

    Yields:
        The number of steps done; cells and onsets, boolean ``(batch, steps, tracks, rows)``: of all drafts, at the end
        of each phrase.

    """
    given = task.given
    steps, unit, bar = given.cells.shape[1], parts.shape.unit, parts.shape.steps
    composed = StepComposer(parts, task, thresholds)
    threads = one_thread if len(given.cells) <= _FEW else nullcontext
    with torch.inference_mode(mode=False):  # of the result, callers may take gradients
        cells, onsets = torch.zeros_like(given.cells), torch.zeros_like(given.cells)
    for step in range(steps):
        if task.repeats is not None and step % bar == 0 and step:
            composed.repeat_bar(cells, onsets, step // bar)
        whole = (step + 1) % unit == 0 and step + 1 < steps
        with threads(), torch.autocast(cells.device.type, enabled=False):
            cells[:, step], onsets[:, step] = composed.step(step, cells, onsets)
            if particles and whole:
                done, here = slice(0, step + 1), slice(step + 1 - unit, step + 1)
                moved, rows = particles.draw(cells[:, here], onsets[:, here])
                if len(rows):
                    cells[moved, done], onsets[moved, done] = cells[rows, done], onsets[rows, done]
                    composed.replace(moved, rows)
        if whole:
            yield step + 1, cells, onsets
    if particles:
        chosen = particles.result(cells[:, -unit:], onsets[:, -unit:])
        with torch.inference_mode(mode=False):
            cells, onsets = cells[chosen.clone()], onsets[chosen.clone()]
    yield steps, cells, onsets
