"""Fill in a part of a piece: compose the free units, given all the others and a plan, and show each revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import device_of
from bgmusic.music.composing.pieces import check_length, noise_path
from bgmusic.music.composing.windows import window_starts
from bgmusic.music.networks.composer.limits import Limits
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.plans.plan import Plan
from bgmusic.music.plans.shape import CLASSES, PlanShape
from bgmusic.music.rolls.checks import require_boolean
from bgmusic.music.rolls.shape import RollShape
from bgmusic.training.protocols import SampleNetwork

Bits = NDArray[np.bool_]
Watch = Callable[[Bits, float], bool]
"""Called with the piece after each revision and the share that is done; False stops the composing."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What to compose.

    Attributes:
        channels: the piece, boolean ``(channels, bars, steps, pitches)`` as ``Roll.channels``, of any number of bars.
        free: units to compose, boolean ``(tracks, bars * beats)``; the others stay as they are.
        plan: what is decided; the rest is the composer's.
        seed: seed of the noise.

    """

    channels: Bits
    free: Bits
    plan: Plan
    seed: int


def fill(generator: SampleNetwork, shape: RollShape, wanted: Wanted, watch: Watch | None = None) -> Bits | None:
    """Compose the free units of a piece.

    Of the plan, these decisions are obeyed where units are free: silent bars are silent, tracks that play in a bar sound
    at its first step, notes of pitched tracks belong to the chord, and bars that repeat a bar are copies of it. The
    level of activity is the composer's.

    Args:
        generator: in evaluation mode.
        shape: shape of its phrases.
        wanted: the piece, its free units, the plan, and the seed.
        watch: called after each revision; returns False to cancel.

    Returns:
        The piece, boolean ``(channels, bars, steps, pitches)``; None if it was cancelled.

    Raises:
        TypeError: an array is not boolean.
        UserError: the network is no composer, or the piece or the plan has another shape.

    """
    if not isinstance(generator, Composer):
        raise UserError("only a composer can fill in parts (network.kind: composer), not BinaryMuseGAN's networks")
    _check(shape, wanted)
    plan, bars = wanted.plan, wanted.channels.shape[1]
    silent = np.repeat(plan.instruments_known & ~plan.instruments, shape.beats, axis=1)
    quiet = cells_of(torch.from_numpy(wanted.free & silent)[None], shape)[0].numpy()
    piece = torch.from_numpy(wanted.channels & ~quiet)
    free = torch.from_numpy(wanted.free & ~silent)
    allowed = torch.from_numpy(_allowed(shape, plan))
    sounding = torch.from_numpy(_sounding(shape, plan))
    missing = max(0, shape.bars - bars)  # a shorter piece is composed to a whole phrase and cut again
    piece = F.pad(piece, (0, 0, 0, 0, 0, missing)).clone(memory_format=torch.contiguous_format)
    free = F.pad(free, (0, missing * shape.beats), value=True).clone(memory_format=torch.contiguous_format)
    allowed = F.pad(allowed, (0, 0, 0, missing * shape.steps), value=True)
    sounding = F.pad(sounding, (0, missing * shape.steps))
    path = noise_path(Draws(wanted.seed, 0, 1), generator.latent)
    windows = window_starts(bars, shape.bars)
    device = device_of(generator)
    for number, start in enumerate(windows):
        noise = next(path)
        units = slice(start * shape.beats, (start + shape.bars) * shape.beats)
        inside, steps = slice(start, start + shape.bars), slice(start * shape.steps, (start + shape.bars) * shape.steps)
        opened = free[None, :, units]
        if not opened.any():
            continue
        given = piece[None, :, inside]
        chosen = cells_of(opened, shape)
        stages = generator.settings.stages
        with torch.no_grad():
            limits = Limits(allowed[None, :, steps].to(device), sounding[None, :, steps].to(device))
            seen = given.to(device, torch.float32)
            revisions = generator.revisions(seen, opened.to(device), noise.to(device), limits)
            for stage, revision in enumerate(revisions, start=1):
                piece[:, inside] = torch.where(chosen, revision.to("cpu") > 0.5, given)[0]
                done = (number + stage / stages) / len(windows)
                if watch and not watch(piece[:, :bars].numpy().copy(), done):
                    return None
        free[:, units] = False
    return _obey(piece[:, :bars].numpy().copy(), shape, wanted)


def _check(shape: RollShape, wanted: Wanted) -> None:
    require_boolean("channels", wanted.channels)
    require_boolean("free", wanted.free)
    found = wanted.channels.shape
    if len(found) != 4 or (found[0], *found[2:]) != (shape.channels, shape.steps, shape.pitches) or not found[1]:
        raise UserError(
            f"a piece has shape ({shape.channels}, bars, {shape.steps}, {shape.pitches}), not {tuple(found)}"
        )
    check_length(shape, found[1], 1)
    units = len(shape.track_set), found[1] * shape.beats
    if wanted.free.shape != units:
        raise UserError(f"free units have shape {units}, not {wanted.free.shape}")
    if wanted.plan.shape != PlanShape.of(shape, found[1]):
        raise UserError("the plan has other tracks, bars or beats than the piece")


def _allowed(shape: RollShape, plan: Plan) -> Bits:
    """Return the pitches that each track may play at each step, boolean ``(tracks, bars * steps, pitches)``.

    A bass note alone would do for a track without a pitch of the chord in its range, so all are allowed there.
    """
    classes = (np.arange(shape.pitches) + shape.track_set.low) % CLASSES
    of_beats = plan.harmony[:, :CLASSES][:, classes]
    of_beats |= ~plan.harmony_known[:, None]
    allowed = np.repeat(of_beats, shape.unit, axis=0)[None].repeat(len(shape.track_set), 0)
    pitches = np.arange(shape.pitches) + shape.track_set.low
    for number, track in enumerate(shape.track_set.tracks):
        playable = (pitches >= track.low) & (pitches <= track.high)
        nothing = ~(allowed[number] & playable).any(1)
        if track.is_drum:
            allowed[number] = True
        else:
            allowed[number, nothing] = True
    return allowed


def _sounding(shape: RollShape, plan: Plan) -> Bits:
    """Return the steps at which tracks must sound, boolean ``(tracks, bars * steps)``: the first of bars they play in.

    What the others are to be, the composer decides when it sees these.
    """
    plays = plan.instruments_known & plan.instruments
    return (plays[..., None] & (np.arange(shape.steps) == 0)).reshape(len(plays), -1)


def _obey(piece: Bits, shape: RollShape, wanted: Wanted) -> Bits:
    """Cut notes that are held into another chord, and copy bars that are decided to repeat another."""
    plan, tracks = wanted.plan, len(shape.track_set)
    planes = piece.reshape(shape.planes, tracks, -1, shape.pitches)
    free = np.repeat(wanted.free, shape.unit, axis=1)[..., None]
    no_chord = (plan.harmony_known & ~plan.harmony.any(-1)).repeat(shape.unit)[:, None]
    pitched = ~np.array(shape.drums)[:, None, None]
    planes &= ~free | _allowed(shape, plan) & ~(no_chord & pitched)
    of_bars = wanted.free.reshape(tracks, -1, shape.beats).all(2)
    for track, bar in np.argwhere(plan.form_known & of_bars).tolist():
        first = int(plan.form[track, bar].argmax())
        if first < bar:
            piece[track::tracks, bar] = piece[track::tracks, first]
    return piece
