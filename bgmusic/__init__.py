"""Networks that make binary decisions, trained by backpropagation, and the music they compose.

The public names are loaded on first use, so importing bgmusic is quick and imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bgmusic.version import __version__

if TYPE_CHECKING:
    from bgmusic import neurons
    from bgmusic.api import evaluate, load, read
    from bgmusic.errors import UserError
    from bgmusic.music.composing.composer import Composer
    from bgmusic.music.composing.write_back import Accompaniment
    from bgmusic.music.corpora.corpus import Corpus, open_corpus
    from bgmusic.music.midi.song import Song
    from bgmusic.music.rolls.roll import Roll
    from bgmusic.music.rolls.tracks import Track, TrackSet

_MODULES = {
    "Accompaniment": "bgmusic.music.composing.write_back",
    "Composer": "bgmusic.music.composing.composer",
    "Corpus": "bgmusic.music.corpora.corpus",
    "Roll": "bgmusic.music.rolls.roll",
    "Song": "bgmusic.music.midi.song",
    "Track": "bgmusic.music.rolls.tracks",
    "TrackSet": "bgmusic.music.rolls.tracks",
    "UserError": "bgmusic.errors",
    "evaluate": "bgmusic.api",
    "load": "bgmusic.api",
    "open_corpus": "bgmusic.music.corpora.corpus",
    "read": "bgmusic.api",
}

__all__ = [
    "Accompaniment",
    "Composer",
    "Corpus",
    "Roll",
    "Song",
    "Track",
    "TrackSet",
    "UserError",
    "__version__",
    "evaluate",
    "load",
    "neurons",
    "open_corpus",
    "read",
]


def __getattr__(name: str) -> Any:
    if name == "neurons":
        return import_module("bgmusic.neurons")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
