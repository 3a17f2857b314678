"""Read thousands of damaged MIDI files, made from a fixed seed: each must give a song or a reason.

python tests/support/fuzz_midi.py --count 5000 --seed 0
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from pathlib import Path

import numpy as np
from midi_maker import mutants

from bgmusic.errors import UserError
from bgmusic.files import data_dir
from bgmusic.music.corpora.check import describe
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.midi.events import careful_events
from bgmusic.music.midi.fast import fast_events
from bgmusic.music.midi.file import open_midi
from bgmusic.music.midi.read import read_midi
from bgmusic.music.rolls.grid import quantise
from bgmusic.music.rolls.midi_files import midi_bytes
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

SETTINGS = Settings.create(TrackSet.load("lpd-5"), 12)


def originals() -> list[bytes]:
    """Return the files that are damaged: the odd ones of the tests and Freedoom's songs."""
    odd = Path(__file__).parents[1] / "data" / "midi_odd"
    songs = data_dir() / "midi" / "freedoom"
    return [path.read_bytes() for path in sorted([*odd.iterdir(), *songs.glob("*.mid")])]


def outcome(data: bytes) -> str:
    """Read, quantize and write a file; return "read", or the reason why it cannot be read."""
    try:
        song = read_midi(data)
        describe(song, SETTINGS)
        piece = quantise(song, SETTINGS.shape.track_set, 12)
        for first in piece.phrase_starts(4)[:8].tolist():
            roll = Roll.from_phrase(piece, first, 4)
            if roll.cells.any():
                read_midi(midi_bytes(roll))
        result = "read"
    except UserError as error:
        result = str(error)
        if not result or "\n" in result:
            raise AssertionError(f"{result!r} is not one line") from error
    return result


def disagrees(data: bytes) -> bool:
    """Return whether the fast reader accepts a file that the careful reader repairs or reads differently."""
    try:
        file = open_midi(data)
    except UserError:
        return False
    fast = fast_events(file.data, file.tracks)
    if fast is None:
        return False
    careful = careful_events(file.data, file.tracks)
    channel = fast.status < 0xF0
    columns = ("track", "tick", "status", "data1", "data2")
    return (
        bool(careful.damage)
        or (fast.metas, fast.ends) != (careful.metas, careful.ends)
        or not all(np.array_equal(getattr(fast, name)[channel], getattr(careful, name)) for name in columns)
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sources = originals()
    for data in sources:  # warm up imports and caches
        outcome(data)
    before = _peak_mib()
    results: Counter[str] = Counter()
    slowest = 0.0
    for data in mutants(sources, options.count, options.seed):
        start = time.process_time()
        result = outcome(data)
        results[result.split(";")[0]] += 1
        slowest = max(slowest, time.process_time() - start)
        if disagrees(data):
            raise AssertionError(f"the two readers disagree on mutant {results.total() - 1}")
    print(f"{options.count} files, seed {options.seed}: {results['read']} read; slowest {slowest:.2f} s of CPU")
    print(f"peak memory {_peak_mib():.0f} MiB, {_peak_mib() - before:.0f} MiB above that of the originals")
    for reason, count in results.most_common():
        print(f"{count:6} {reason}")


if __name__ == "__main__":
    main()
