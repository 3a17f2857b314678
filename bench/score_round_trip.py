"""Phrases as MusicXML, read by music21 and partitura: are the notes the same, and is the file valid?

    python bench/score_round_trip.py bach freedoom --phrases 200
    python bench/score_round_trip.py CORPUS --phrases 200

Compared are the onset, end and pitch of each note, ties joined, and the metre. Both libraries lose which drum is
struck, music21 in chords only: with music21 the onset, the place on the staff and the notehead are compared, with
partitura the onset. ``--validate`` checks every tenth file against MusicXML's schema, which partitura brings.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from time import perf_counter

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.score.musicxml import musicxml_bytes
from bgmusic.music.score.percussion import drum

Notes = Counter[tuple[float, float, object]]


def expected(roll: Roll, places: bool) -> Notes:
    """Return (onset, end, pitch) of all notes in beats; of drums the onset, and if asked the place and notehead."""
    beat, drums = roll.resolution, roll.track_set.drums
    found: Notes = Counter()
    for track, onset, duration, pitch in roll.notes().tolist():
        if drums[track]:
            kind = drum(pitch)
            found[round(onset / beat, 3), 0.0, (kind.place, kind.head) if places else None] += 1
        else:
            found[round(onset / beat, 3), round((onset + duration) / beat, 3), pitch] += 1
    return found


def by_music21(path: Path) -> tuple[Notes, object]:
    """Return the notes of a file, and its metre and key signature."""
    from music21 import converter

    score = converter.parse(path, forceSource=True)
    found: Notes = Counter()
    for part in score.parts:
        tied: dict[int, list[list[float]]] = {}
        for element in part.recurse().notes:
            onset = float(element.getOffsetInHierarchy(part))
            end = onset + float(element.quarterLength)
            for one in getattr(element, "notes", [element]):
                if not hasattr(one, "pitch"):
                    found[round(onset, 3), 0.0, (one.displayName, one.notehead)] += 1
                    continue
                kind, pieces = one.tie and one.tie.type, tied.setdefault(one.pitch.midi, [])
                pieces.append([onset, end, kind in ("stop", "continue"), kind in ("start", "continue")])
        for pitch, pieces in tied.items():
            joined: list[list[float]] = []
            for onset, end, continues, goes_on in sorted(pieces):
                before = next((one for one in joined if continues and one[2] and abs(one[1] - onset) < 1e-6), None)
                if before:
                    before[1:] = [end, goes_on]
                else:
                    joined.append([onset, end, goes_on])
            for onset, end, _ in joined:
                found[round(onset, 3), round(end, 3), pitch] += 1
    metre = score.recurse().getElementsByClass("TimeSignature")[0]
    return found, (metre.numerator, metre.denominator)


def by_partitura(path: Path) -> Notes:
    """Return the notes of a file."""
    import partitura
    from partitura.score import UnpitchedNote

    UnpitchedNote.is_grace_chord = False  # partitura 1.9.0 fails on chords of drums (its pull request 514)
    found: Notes = Counter()
    for part in partitura.load_musicxml(path).parts:
        beat = part.quarter_durations()[0][1]
        for note in part.notes_tied:
            if isinstance(note, UnpitchedNote):
                continue
            found[round(note.start.t / beat, 3), round(note.end_tied.t / beat, 3), note.midi_pitch] += 1
        for note in part.iter_all(UnpitchedNote):
            found[round(note.start.t / beat, 3), 0.0, None] += 1
    return found


def main() -> None:
    """Write and read phrases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--phrases", type=int, default=200)
    parser.add_argument("--validate", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # the libraries'
    for name in args.corpora:
        corpus = open_corpus(name)
        every = max(1, len(corpus) // args.phrases)
        wrong: Counter[str] = Counter()
        seconds: Counter[str] = Counter()
        notes = 0
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "phrase.musicxml"
            indices = list(range(0, len(corpus), every))[: args.phrases]
            for number, index in enumerate(indices):
                roll = corpus.roll(index)
                begin = perf_counter()
                path.write_bytes(musicxml_bytes(roll))
                seconds["written"] += perf_counter() - begin
                notes += len(roll.notes())
                found, metre = by_music21(path)
                kinds = []
                if found != expected(roll, True):
                    kinds.append("music21: notes")
                if metre != roll.metre:
                    kinds.append("music21: metre")
                if by_partitura(path) != expected(roll, False):
                    kinds.append("partitura: notes")
                if args.validate and number % 10 == 0:
                    from partitura.io.importmusicxml import validate_musicxml

                    wrong["validated"] += 1
                    if not validate_musicxml(path):
                        kinds.append("schema")
                for kind in kinds:
                    if not wrong[kind]:
                        print(f"first of {kind}: phrase {index}", flush=True)
                wrong.update(kinds)
        print(f"{name}: {len(indices)} phrases, {notes} notes, written in {seconds['written']:.1f} s; {dict(wrong)}")


if __name__ == "__main__":
    main()
