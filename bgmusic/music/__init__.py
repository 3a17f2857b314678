"""Music: MIDI files, piano-rolls, corpora, networks, composing, evaluation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bgmusic.music.corpora.corpus import Corpus, open_corpus
    from bgmusic.music.midi.read import read_midi
    from bgmusic.music.midi.song import Song
    from bgmusic.music.rolls.grid import StepNotes, quantise
    from bgmusic.music.rolls.midi_files import write_midi
    from bgmusic.music.rolls.roll import Roll
    from bgmusic.music.rolls.tracks import Track, TrackSet

# The module of each public name. Names are imported on first use, so that reading a MIDI file loads no torch.
_MODULES = {
    "Corpus": "corpora.corpus",
    "Roll": "rolls.roll",
    "Song": "midi.song",
    "StepNotes": "rolls.grid",
    "Track": "rolls.tracks",
    "TrackSet": "rolls.tracks",
    "open_corpus": "corpora.corpus",
    "quantise": "rolls.grid",
    "read_midi": "midi.read",
    "write_midi": "rolls.midi_files",
}

__all__ = [
    "Corpus",
    "Roll",
    "Song",
    "StepNotes",
    "Track",
    "TrackSet",
    "open_corpus",
    "quantise",
    "read_midi",
    "write_midi",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
