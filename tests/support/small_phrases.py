"""Make small batches of phrases from notes, and read statistics by name."""

from __future__ import annotations

import numpy as np

from bgmusic.music.judging.statistics import order_statistics
from bgmusic.music.rolls.phrases import Phrases
from bgmusic.music.rolls.tracks import TrackSet

LOW, PITCHES = 36, 48


def track_set(voices, drums=0):
    tracks = [{"name": name, "program": 0, "programs": [0]} for name in voices]
    tracks += [{"name": f"Drums {number}", "program": 0, "is_drum": True} for number in range(drums)]
    for number, track in enumerate(tracks):
        track["program"] = number
        if "programs" in track:
            track["programs"] = [number]
    return TrackSet.from_dict({"name": "small", "tracks": tracks, "low": LOW, "pitches": PITCHES})


def phrases(*notes, voices=("Soprano", "Bass"), drums=0, bars=1, steps=16, resolution=4, metres=None):
    """Make phrases, each from a list of notes (track, onset, length, MIDI pitch) in steps."""
    tracks = track_set(voices, drums)
    cells = np.zeros((len(notes), len(tracks), bars * steps, PITCHES), dtype=np.bool_)
    onsets = np.zeros_like(cells)
    for number, phrase in enumerate(notes):
        for track, onset, length, pitch in phrase:
            cells[number, track, onset : onset + length, pitch - LOW] = True
            onsets[number, track, onset, pitch - LOW] = True
    shape = (len(notes), len(tracks), bars, steps, PITCHES)
    metres = None if metres is None else np.array(metres, dtype=np.int32)
    return Phrases(tracks, resolution, cells.reshape(shape), onsets.reshape(shape), None, metres)


def melody(*pitches, track=0, length=4, start=0):
    """Make notes of one length, one after the other; 0 is a rest."""
    return [(track, start + length * place, length, pitch) for place, pitch in enumerate(pitches) if pitch]


def block(onset, length, *pitches):
    """Make a chord, one note in each track."""
    return [(track, onset, length, pitch) for track, pitch in enumerate(pitches)]


class Found:
    """The statistics of order of phrases, by name."""

    def __init__(self, given):
        self.by_name = {one.name: one for one in order_statistics(given)}

    def counts(self, name, part=0):
        """Return how often each value occurs over all phrases; categories by label."""
        one = self.by_name[name]
        total = one.parts[part].counts.sum(0).tolist()
        keys = one.labels or one.parts[part].values.tolist()
        return {key: int(count) for key, count in zip(keys, total, strict=True) if count}

    def rate(self, name):
        """Return the number of events and of occasions."""
        counts = self.counts(name)
        return counts.get(1.0, 0), sum(counts.values())

    def example(self, name):
        return self.by_name[name].example
