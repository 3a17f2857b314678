"""Compare the harmony of plans with chords that people annotated.

POP909's files have a track CHORDS, written by annotators. music21 brings Roman numeral analyses of 20 chorales. For
each, the chord and bass of every beat are compared with those that plans find in the music alone, and with simple
rules: all pitch classes that sound in the beat, or at its first step.

    python bench/plan_chords.py ../shared/midi/pop909 --step 12 --first 6
    python bench/plan_chords.py bach
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import bgmusic
from bgmusic.errors import UserError
from bgmusic.music.plans.harmony import recognize
from bgmusic.music.rolls.tracks import Track, TrackSet

UNIT = 4  # steps of a beat
LOW, PITCHES = 12, 108


def pop909(folder: Path, step: int, first: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the sounding pitches (beats, steps, pitches) of each song, and the harmony (beats, 24) of its CHORDS."""
    names = ("Melody", "Bridge", "Piano", "Chords")
    tracks = TrackSet("chords", tuple(Track(name, 0) for name in names), LOW, PITCHES, by="name")
    for path in sorted(folder.glob("*.mid"))[first::step]:
        try:
            roll = bgmusic.read(path, tracks, UNIT)
        except UserError:
            continue
        if roll.steps % UNIT:
            continue
        cells = roll.cells.reshape(4, -1, UNIT, PITCHES)
        lasting = cells[3].sum(1) * 2 >= UNIT
        yield cells[:3].any(0), harmony(lasting)


def harmony(pitches: np.ndarray) -> np.ndarray:
    """Return 12 pitch classes and 12 of the bass, of booleans (beats, pitches)."""
    folded = pitches.reshape(len(pitches), -1, 12).any(1)
    bass = (np.arange(12) == pitches.argmax(-1)[:, None] % 12) & pitches.any(-1, keepdims=True)
    return np.concatenate([folded, bass], 1)


def bach() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the sounding pitches of each analysed chorale, and the harmony of the analysis at each beat."""
    import music21
    from music21 import converter, corpus

    chorales = corpus.chorales.ChoraleListRKBWV().byRiemenschneider
    for path in sorted((Path(music21.__file__).parent / "corpus/bach/choraleAnalyses").glob("*.rntxt")):
        analysis = converter.parse(path)
        score = corpus.parse(f"bach/bwv{chorales[int(path.stem[-3:])]['bwv']}")
        beats = int(score.highestTime) + 1
        named = np.zeros((beats, 24), bool)
        for chord in analysis.recurse().getElementsByClass("RomanNumeral"):
            at = float(chord.getOffsetInHierarchy(analysis))
            if at.is_integer():
                named[int(at) :] = False
                named[int(at) :, [*(pitch.pitchClass for pitch in chord.pitches), 12 + chord.bass().pitchClass]] = True
        cells = np.zeros((beats * UNIT, PITCHES), bool)
        for note in score.flatten().notes:
            start, stop = (round(float(time) * UNIT) for time in (note.offset, note.offset + note.quarterLength))
            for pitch in note.pitches:
                cells[start : max(start + 1, stop), pitch.midi - LOW] = True
        yield cells.reshape(beats, UNIT, PITCHES), named


RULES = {
    "plans": lambda beats: recognize(beats[None], LOW)[0],
    "all that sounds": lambda beats: harmony(beats.any(1)),
    "half a beat or more": lambda beats: harmony(beats.sum(1) * 2 >= UNIT),
    "at the first step": lambda beats: harmony(beats[:, 0]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="bach, or the folder of POP909")
    parser.add_argument("--step", type=int, default=1, help="read every n-th file")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    source = bach() if options.source == "bach" else pop909(Path(options.source), options.step, options.first)
    pieces = list(source)
    print(f"{len(pieces)} pieces, {sum(len(beats) for beats, _ in pieces)} beats")
    print(f"{'rule':20} precision  recall  same chord  same bass  classes  changes (annotated)")
    for name, rule in RULES.items():
        found = [rule(beats) for beats, _ in pieces]
        wanted = [named for _, named in pieces]
        changes = [np.mean(np.concatenate([(x[1:, :12] != x[:-1, :12]).any(1) for x in y])) for y in (found, wanted)]
        ours, theirs = np.concatenate(found), np.concatenate(wanted)
        both = ours.any(1) & theirs.any(1)
        ours, theirs = ours[both], theirs[both]
        chord, named = ours[:, :12], theirs[:, :12]
        shared = (chord & named).sum()
        same = [(ours[:, part] == theirs[:, part]).all(1).mean() for part in (slice(12), slice(12, 24))]
        print(
            f"{name:20} {shared / chord.sum():9.1%} {shared / named.sum():7.1%} {same[0]:11.1%} {same[1]:10.1%} "
            f"{chord.sum(1).mean():8.2f} {changes[0]:8.1%} ({changes[1]:.1%})"
        )


if __name__ == "__main__":
    main()
