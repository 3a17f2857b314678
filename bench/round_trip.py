"""Round trips of whole songs: MIDI -> corpus -> every phrase as MIDI -> read by other libraries.

    python bench/round_trip.py data/midi/freedoom --tracks lpd-5
    python bench/round_trip.py POP909 --tracks pop909 --resolution 4 --music21 50
    python bench/round_trip.py generator:bach --phrases 200

symusic, mido and pretty_midi read every phrase, music21, which is slow, some. Compared with the roll are notes (onset,
end, pitch), drums, programs, metre, tempo map, and the length of the file in bars. The length is read by
mido alone: the others do not keep it. The last lines count the phrases that differ, by library and by kind.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bgmusic.music.corpora.build import build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.metres import with_any_metre
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.rolls.metre import COMMON_TIME, parse_metre
from bgmusic.music.rolls.midi_files import midi_bytes
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.rolls.tracks import TrackSet

# What a reader finds: notes as (program, drums, onset, end, pitch) in beats, and values in beats; None: not read.
Found = dict[str, Any]


def expected(roll: Roll) -> Found:
    """Return what every library should find in the file of a roll."""
    notes, tracks, beat = roll.notes(), roll.track_set.tracks, roll.resolution
    rows = []
    for track, onset, duration, pitch in notes.tolist():
        one = tracks[track]
        rows.append((one.program, one.is_drum, onset / beat, (onset + duration) / beat, pitch))
    tempos = [(step / beat, bpm) for step, bpm in roll.tempos or ((0, 120.0),)]
    return {"notes": rows, "metre": [(0.0, *roll.metre)] if roll.metre else [], "tempo": tempos,
            "length": roll.bars * roll.steps / beat}  # fmt: skip


def by_symusic(data: bytes) -> Found:
    import symusic

    score = symusic.Score.from_midi(data)
    beat = score.tpq
    notes = [
        (track.program, track.is_drum, note.start / beat, note.end / beat, note.pitch)
        for track in score.tracks
        for note in track.notes
    ]
    return {"notes": notes, "metre": [(t.time / beat, t.numerator, t.denominator) for t in score.time_signatures],
            "tempo": [(t.time / beat, t.qpm) for t in score.tempos]}  # fmt: skip


def by_mido(data: bytes) -> Found:
    import mido

    file = mido.MidiFile(file=io.BytesIO(data))
    beat, found = file.ticks_per_beat, {"notes": [], "metre": [], "tempo": [], "length": set()}
    for track in file.tracks:
        tick, port, programs, open_notes = 0, 0, {}, {}
        for event in track:
            tick += event.time
            if event.type == "midi_port":
                port = event.port
            elif event.type == "time_signature":
                found["metre"].append((tick / beat, event.numerator, event.denominator))
            elif event.type == "set_tempo":
                found["tempo"].append((tick / beat, mido.tempo2bpm(event.tempo)))
            elif event.type == "program_change":
                programs[port, event.channel] = event.program
            elif event.type == "note_on" and event.velocity:
                open_notes[event.channel, event.note] = tick
            elif event.type in ("note_on", "note_off"):
                start = open_notes.pop((event.channel, event.note))
                program, drums = programs.get((port, event.channel), 0), event.channel == 9
                found["notes"].append((program, drums, start / beat, tick / beat, event.note))
        found["length"].add(tick / beat)
    (length,) = found["length"]  # all tracks end together
    return found | {"length": length}


def by_pretty_midi(data: bytes) -> Found:
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(io.BytesIO(data))

    def beats(seconds: float) -> float:
        return midi.time_to_tick(seconds) / midi.resolution

    notes = [
        (part.program, part.is_drum, beats(note.start), beats(note.end), note.pitch)
        for part in midi.instruments
        for note in part.notes
    ]
    times, bpms = midi.get_tempo_changes()
    return {"notes": notes, "tempo": [(beats(t), bpm) for t, bpm in zip(times, bpms, strict=True)],
            "metre": [(beats(t.time), t.numerator, t.denominator) for t in midi.time_signature_changes]}  # fmt: skip


def by_music21(data: bytes) -> Found:
    import music21

    # Notes as music21's MIDI reader finds them: its notation cuts and shifts notes that overlap across bar lines.
    file = music21.midi.MidiFile()
    file.readstr(data)
    beat, notes = file.ticksPerQuarterNote, []
    for track in file.tracks:
        timed = music21.midi.translate.getTimeForEvents(track)
        programs = {event.channel: event.data for _, event in timed if event.type.name == "PROGRAM_CHANGE"}
        for note in music21.midi.translate.getNotesFromEvents(timed):
            on = note.event  # its channels count from 1
            program, drums = programs.get(on.channel, 0), on.channel == 10
            notes.append((program, drums, note.onTime / beat, note.offTime / beat, on.pitch))
    score = music21.midi.translate.midiFileToStream(file, quantizePost=False)
    metres = {(float(t.offset), t.numerator, t.denominator) for t in score.flatten()["TimeSignature"]}
    marks = sorted({(float(t.offset), t.number) for t in score.flatten()["MetronomeMark"]})
    # music21 repeats the last tempo at the end of some files.
    tempos = [mark for number, mark in enumerate(marks) if not number or mark[1] != marks[number - 1][1]]
    return {"notes": notes, "metre": sorted(metres), "tempo": tempos}


READERS: dict[str, Callable[[bytes], Found]] = {
    "symusic": by_symusic,
    "mido": by_mido,
    "pretty_midi": by_pretty_midi,
    "music21": by_music21,
}


def differences(right: Found, found: Found) -> Iterator[str]:
    """Yield the kinds in which a reading differs from what is right."""

    def count(some: Found, key: Callable[[Any], Any]) -> Counter[Any]:
        return Counter(map(key, some["notes"]))

    keys: dict[str, Callable[[Any], Any]] = {
        "notes": lambda note: (round(note[2], 3), round(note[3], 3), note[4]),
        "drums": lambda note: (note[1], note[4]),
        "programs": lambda note: (note[1] or note[0], note[4]),
    }
    for kind, key in keys.items():
        if count(right, key) != count(found, key):
            yield kind
    if found["metre"] != right["metre"]:
        yield "metre"
    tempos = [(round(beat, 3), round(bpm, 2)) for beat, bpm in found["tempo"]]
    if len(tempos) != len(right["tempo"]) or not np.allclose(tempos, right["tempo"], atol=0.01):
        yield "tempo"
    if "length" in found and found["length"] != right["length"]:
        yield "length"


def rolls_of(args: argparse.Namespace, folder: Path) -> Iterator[tuple[Roll, bool]]:
    """Yield the phrases of a corpus of the source, or of a generator, and whether music21 reads them too."""
    if args.source.startswith("generator:"):
        import bgmusic

        rolls = bgmusic.load(args.source).generate(args.phrases or 200, seed=1)
        yield from with_share(rolls, len(rolls), args.music21)
        return
    any_metre = args.metre == "any"
    metre = COMMON_TIME if any_metre else parse_metre(args.metre)
    tracks = TrackSet.load(args.tracks)
    settings = Settings.create(tracks, args.resolution, metre=metre, any_metre=any_metre, min_tracks=1)
    settings = with_any_metre([args.source], settings) if any_metre else settings
    build_corpus(args.source, folder / "corpus", settings)
    corpus = open_corpus(folder / "corpus")
    print(f"{len(corpus.pieces)} pieces, {len(corpus)} phrases; {len(corpus.meta['skipped'])} files left out")
    every = max(1, len(corpus) // args.phrases) if args.phrases else 1
    indices = range(0, len(corpus), every)
    yield from with_share(map(corpus.roll, indices), len(indices), args.music21)


def with_share(rolls: Iterable[Roll], count: int, share: int) -> Iterator[tuple[Roll, bool]]:
    """Yield rolls, and whether each belongs to an evenly spread share of them."""
    step = max(1, count // max(1, share))
    yield from ((roll, number % step == 0) for number, roll in enumerate(rolls))


def main() -> None:
    """Run the round trips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--tracks", default="lpd-5")
    parser.add_argument("--resolution", type=int, default=12)
    parser.add_argument("--metre", default="4/4")
    parser.add_argument("--phrases", type=int, help="number of phrases, evenly spread; by default all")
    parser.add_argument("--music21", type=int, default=50, help="number of phrases that music21 reads")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # music21's and pretty_midi's
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, (roll, slow) in enumerate(rolls_of(args, Path(folder))):
            data, right = midi_bytes(roll), expected(roll)
            for name, read in READERS.items():
                if name == "music21" and not slow:
                    continue
                begin = perf_counter()
                kinds = list(differences(right, read(data)))
                seconds[name] += perf_counter() - begin
                counts[name] += 1
                if kinds and not any(wrong[name, kind] for kind in kinds):
                    print(f"first of phrase {number} by {name}: {', '.join(kinds)}", flush=True)
                wrong.update((name, kind) for kind in kinds)
    for name, count in counts.items():
        kinds = ", ".join(f"{kind} {wrong[name, kind]}" for one, kind in wrong if one == name)
        print(f"{name}: {count} phrases in {seconds[name]:.0f} s, differing in: {kinds or 'nothing'}")


if __name__ == "__main__":
    main()
