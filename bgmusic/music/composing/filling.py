"""Fill in a part of a piece: compose the free units, given all the others and a plan, and show each revision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bgmusic.errors import UserError
from bgmusic.gan.draws import Draws
from bgmusic.gan.generate import device_of
from bgmusic.music.composing.pieces import check_length, noise_path
from bgmusic.music.composing.windows import copy_repeated, home_keys, whole_length, window_starts
from bgmusic.music.networks.causal.network import CausalComposer
from bgmusic.music.networks.composer.limits import Limits
from bgmusic.music.networks.composer.masks import cells_of
from bgmusic.music.networks.composer.network import Composer
from bgmusic.music.networks.composing_network import ComposingNetwork, bars_before
from bgmusic.music.networks.plan_bits import plan_bits
from bgmusic.music.plans.plan import PARTS, Plan, Plans
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
        number: number of the piece, from 0: each has other noise.

    """

    channels: Bits
    free: Bits
    plan: Plan
    seed: int
    number: int = 0


def fill(generator: SampleNetwork, shape: RollShape, wanted: Wanted, watch: Watch | None = None) -> Bits | None:
    """Compose the free units of a piece.

    Of the plan, silent bars and bars that repeat another are obeyed exactly where units are free. A composer under
    plans is given the rest. With any other, tracks that play in a bar sound at its first step, notes of pitched tracks
    belong to the chord, and the level of activity is the composer's.

    Args:
        generator: in evaluation mode.
        shape: shape of its phrases.
        wanted: the piece, its free units, the plan, and the seed.
        watch: called after each revision; returns False to cancel.

    Returns:
        The piece, boolean ``(channels, bars, steps, pitches)``; None if it was cancelled.

    Raises:
        TypeError: an array is not boolean.
        UserError: the network cannot fill in parts, or the piece or the plan has another shape.

    """
    if not isinstance(generator, ComposingNetwork):
        raise UserError("only a composer can fill in parts (network.kind: causal or composer), not a GAN's generator")
    _check(shape, wanted)
    plan, bars = wanted.plan, wanted.channels.shape[1]
    planned = generator.plans and any(bool(getattr(plan, f"{name}_known").any()) for name in (*PARTS, "key"))
    generated = wanted.free.all() and not planned
    whole = whole_length(bars, shape.bars) if generated else max(bars, shape.bars)  # cut again at the end
    longer = plan.lengthened(whole)
    longer_plans = Plans.stack([longer])
    silent = np.repeat(plan.instruments_known & ~plan.instruments, shape.beats, axis=1)
    quiet = cells_of(torch.from_numpy(wanted.free & silent)[None], shape)[0].numpy()
    piece = F.pad(torch.from_numpy(wanted.channels & ~quiet), (0, 0, 0, 0, 0, whole - bars))
    piece = piece.clone(memory_format=torch.contiguous_format)
    free = F.pad(torch.from_numpy(wanted.free & ~silent), (0, (whole - bars) * shape.beats), value=True)
    free = free.clone(memory_format=torch.contiguous_format)
    fresh = F.pad(torch.from_numpy(wanted.free), (0, (whole - bars) * shape.beats), value=True).clone()
    path = noise_path(Draws(wanted.seed, wanted.number, 1), generator.latent)
    windows = window_starts(whole, shape.bars) if wanted.free.all() else _windows(wanted.free, shape)
    for number, start in enumerate(windows):
        noise = next(path)
        units = slice(start * shape.beats, (start + shape.bars) * shape.beats)
        inside = slice(start, start + shape.bars)
        keys = home_keys(piece[None], fresh[None], longer_plans if planned else None, start, shape)
        if planned:
            copy_repeated(piece[None], free[None], longer_plans, inside, shape)
        opened = free[None, :, units]
        if not opened.any():
            continue
        given = piece[None, :, inside]
        chosen = cells_of(opened, shape)
        window = longer.window(start, shape.bars)
        earlier = bars_before(piece[None], start, generator.recall_bars, device_of(generator))
        for revision, share in _revisions(generator, given, opened, noise, window, planned, keys, earlier):
            piece[:, inside] = torch.where(chosen, revision.to("cpu") > 0.5, given)[0]
            if watch and not watch(piece[:, :bars].numpy().copy(), (number + share) / len(windows)):
                return None
        free[:, units] = fresh[:, units] = False
    return _obey(piece[:, :bars].numpy().copy(), shape, wanted, cut=not generator.plans)


@torch.no_grad()
def _revisions(
    generator: ComposingNetwork,
    given: Tensor,
    opened: Tensor,
    noise: Tensor,
    plan: Plan,
    planned: bool,
    keys: Tensor,
    earlier: Tensor | None,
) -> Iterator[tuple[Tensor, float]]:
    """Compose one window, and yield each revision with the share of the work that is done."""
    shape, device = generator.shape, device_of(generator)
    seen, opened, noise = given.to(device, torch.float32), opened.to(device), noise.to(device)
    if not isinstance(generator, Composer):
        bits = plan_bits(Plans.stack([plan]), shape, device) if planned else None
        if isinstance(generator, CausalComposer):
            yield from generator.sketches(seen, opened, noise, bits, keys.to(device), earlier)
        else:
            yield generator.accompany(seen, opened, noise, bits, keys.to(device)), 1.0
        return
    allowed, sounding = torch.from_numpy(_allowed(shape, plan)), torch.from_numpy(_sounding(shape, plan))
    limits = Limits(allowed[None].to(device), sounding[None].to(device))
    for stage, revision in enumerate(generator.revisions(seen, opened, noise, limits), start=1):
        yield revision, stage / generator.settings.stages


def _windows(free: Bits, shape: RollShape) -> list[int]:
    """Return the first bars of the windows to compose, so that each sees bars before and after its free ones."""
    of_bars = np.asarray(free.reshape(len(free), -1, shape.beats).any((0, 2)))
    last_start = max(0, len(of_bars) - shape.bars)
    starts = []
    while of_bars.any():
        places = np.flatnonzero(of_bars)
        first, length = int(places[0]), int(places[-1] - places[0]) + 1
        before = (shape.bars - length) // 2 if length <= shape.bars else shape.bars // 2
        start = min(max(0, first - before), last_start)
        starts.append(start)
        of_bars[start : start + shape.bars] = False
    return starts


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


def _allowed(shape: RollShape, plan: Plan, with_bass: bool = True) -> Bits:
    """Return the pitches that each track may play at each step, boolean ``(tracks, bars * steps, pitches)``.

    They are those of the chord; the bass begins a chord, and a bar, with the chord's bass. A track without such a pitch
    in its range may play any.
    """
    classes = (np.arange(shape.pitches) + shape.track_set.low) % CLASSES
    of_beats = plan.harmony[:, :CLASSES][:, classes]
    of_beats |= ~plan.harmony_known[:, None]
    allowed = np.repeat(of_beats, shape.unit, axis=0)[None].repeat(len(shape.track_set), 0)
    bass = shape.track_set.bass if with_bass else None
    if bass is not None:
        same = (plan.harmony[1:] == plan.harmony[:-1]).all(1) & plan.harmony_known[1:] & plan.harmony_known[:-1]
        begins = np.concatenate([[True], ~same]) | (np.arange(len(plan.harmony)) % shape.beats == 0)
        lowest = plan.harmony[:, CLASSES:][:, classes]
        first_steps = np.arange(len(of_beats)) * shape.unit
        chosen = begins & plan.harmony_known & plan.harmony.any(1)
        allowed[bass, first_steps[chosen]] = lowest[chosen]
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
    sounding: Bits = (plays[..., None] & (np.arange(shape.steps) == 0)).reshape(len(plays), -1)
    return sounding


def _obey(piece: Bits, shape: RollShape, wanted: Wanted, cut: bool) -> Bits:
    """Copy bars that are decided to repeat another, and with ``cut`` cut notes that are held into another chord."""
    plan, tracks = wanted.plan, len(shape.track_set)
    planes = piece.reshape(shape.planes, tracks, -1, shape.pitches)
    free = np.repeat(wanted.free, shape.unit, axis=1)[..., None]
    no_chord = (plan.harmony_known & ~plan.harmony.any(-1)).repeat(shape.unit)[:, None]
    pitched = ~np.array(shape.drums)[:, None, None]
    if cut:
        planes &= ~free | _allowed(shape, plan, with_bass=False) & ~(no_chord & pitched)
    of_bars = wanted.free.reshape(tracks, -1, shape.beats).all(2)
    for track, bar in np.argwhere(plan.form_known & of_bars).tolist():
        first = int(plan.form[track, bar].argmax())
        if first < bar:
            piece[track::tracks, bar] = piece[track::tracks, first]
    return piece
