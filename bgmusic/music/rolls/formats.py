"""Save a roll by file suffix, convert it for other libraries, and show it in a notebook.

Writers and converters are named by entry points ("module:function") and imported on use: this package imports neither
pictures nor sound nor scores, and needs none of the libraries it converts to.
"""

from __future__ import annotations

import base64
import html
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bgmusic.errors import UserError

_MIDI = "bgmusic.music.rolls.midi_files:save_roll"
_SOUND = "bgmusic.music.sound.files:save_roll"
WRITERS = {
    ".mid": _MIDI,
    ".midi": _MIDI,
    ".npz": "bgmusic.music.rolls.phrase_files:save_roll",
    ".png": "bgmusic.music.pictures.sheet:save_roll",
    ".wav": _SOUND,
    ".flac": _SOUND,
    ".ogg": _SOUND,
    ".mp3": _SOUND,
    ".musicxml": "bgmusic.music.score.musicxml:save_roll",
    ".svg": "bgmusic.music.score.engraving:save_roll",
}
"""Suffix of a file, and the function ``(path, roll, **options)`` that writes it."""

_INTEROP = "bgmusic.music.rolls.interop"
TO_MUSPY = f"{_INTEROP}.muspy:to_muspy"
FROM_MUSPY = f"{_INTEROP}.muspy:from_muspy"
TO_PRETTY_MIDI = f"{_INTEROP}.pretty_midi:to_pretty_midi"
FROM_PRETTY_MIDI = f"{_INTEROP}.pretty_midi:from_pretty_midi"
TO_PYPIANOROLL = f"{_INTEROP}.pypianoroll:to_pypianoroll"
FROM_PYPIANOROLL = f"{_INTEROP}.pypianoroll:from_pypianoroll"
_PICTURE = "bgmusic.music.pictures.sheet:png_bytes"
_PLAYER = "bgmusic.music.sound.files:roll_mp3"

_PLAYED_SECONDS = 60.0  # a notebook stores the sound in its file, at some 10 kB per second


def resolve(entry_point: str) -> Callable[..., Any]:
    """Import the function that an entry point ("module:function") names."""
    module, _, name = entry_point.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def save(roll: object, path: str | Path, **options: Any) -> None:
    """Write a roll in the format of the path's suffix; see ``Roll.save``."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITERS:
        raise UserError(f"{path}: no format for suffix {suffix!r}; known suffixes: {' '.join(WRITERS)}")
    writer = resolve(WRITERS[suffix])
    try:
        inspect.signature(writer).bind(path, roll, **options)
    except TypeError as error:
        raise TypeError(f"{path}: option of {suffix} files: {error}") from None
    writer(path, roll, **options)


def to_html(roll: object, sounding: bool) -> str:
    """Return a roll as HTML for a notebook: its picture, its ``repr``, and a player if it is ``sounding``."""
    caption = html.escape(repr(roll))
    picture = _data_uri(resolve(_PICTURE)(roll), "image/png")
    parts = [f'<img alt="{caption}" src="{picture}" style="max-width: 100%">']
    if sounding:
        try:
            sound = _data_uri(resolve(_PLAYER)(roll, seconds=_PLAYED_SECONDS), "audio/mpeg")
            parts.append(f'<div><audio controls src="{sound}"></audio></div>')
        except UserError as error:  # no sound can be made: show the picture, and the reason
            parts.append(f"<div>{html.escape(str(error))}</div>")
    return f"<figure>{''.join(parts)}<figcaption>{caption}</figcaption></figure>"


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
