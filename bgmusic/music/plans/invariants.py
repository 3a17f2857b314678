"""Check that the bits of plans are plans: what holds for every plan, of music or typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.plans.shape import CLASSES


def require_sound(arrays: Mapping[str, NDArray[np.bool_]]) -> None:
    """Check the bits of a batch of plans; arrays as in ``Plans``, their shapes checked before.

    Raises:
        UserError: they are no plans; the message names the first bar and the reason.

    """
    for name in ("form", "instruments", "harmony", "activity"):
        bits, known = arrays[name], arrays[f"{name}_known"]
        on = bits if bits.ndim == known.ndim else bits.any(-1)
        _refuse(on & ~known, f"{name} is unknown there, but a bit of it is on")
    form, known = arrays["form"], arrays["form_known"]
    bars = form.shape[-1]
    first = form.argmax(-1)
    _refuse(known & (form.sum(-1) != 1), "form: a bar repeats exactly one bar, itself if it is new")
    _refuse(known & (first > np.arange(bars)), "form: a bar can repeat only itself or a bar before it")
    original, original_known = (np.take_along_axis(values, first, -1) for values in (first, known))
    _refuse(known & original_known & (original != first), "form: a bar repeats the first bar of its kind")
    _refuse((arrays["key"].sum(-1) != arrays["key_known"])[:, 0], "key: there is one, or none is known")
    chord, bass = arrays["harmony"][..., :CLASSES], arrays["harmony"][..., CLASSES:]
    _refuse(bass.sum(-1) != chord.any(-1), "harmony: a chord needs one bass, and no chord has none")
    _refuse((bass & ~chord).any(-1), "harmony: the bass is not in its chord")
    activity = arrays["activity"]
    _refuse((activity[..., 1:] & ~activity[..., :-1]).any(-1), "activity: a level is on without those below it")
    silent = arrays["instruments_known"] & ~arrays["instruments"]
    _refuse(silent & activity.any(-1), "activity: a silent bar has notes")


def _refuse(wrong: Any, reason: str) -> None:
    """Refuse plans if any boolean ``(batch, ...)`` is on."""
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        names = ("plan", "beat") if len(place) == 2 else ("plan", "track", "bar")
        where = ", ".join(f"{name} {number}" for name, number in zip(names, place, strict=False))
        raise UserError(f"{where}: {reason}")
