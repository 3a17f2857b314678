"""Write rolls as MusicXML, for MuseScore and other notation programs. music21 writes the file.

What the file holds: parts with names and instruments, clefs, key, metre, tempos, chords, voices, ties, tuplets, beams
and accidentals. ``docs/guide/formats.md`` lists what is kept.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.score.keys import Key, key_of, spell
from bgmusic.music.score.libraries import require_music21
from bgmusic.music.score.percussion import drum
from bgmusic.music.score.rhythm import Rhythm, Value
from bgmusic.music.score.staves import Part, Staff, is_choir, parts_of
from bgmusic.music.score.voices import Chord, Tone, Voice, cut_at_bars, voices_of
from bgmusic.version import __version__

if TYPE_CHECKING:
    from music21 import stream

_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 '
    'Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CHANNELS = [channel for channel in range(16) if channel != 9]  # without the drums'
_DRUM_CHANNEL = 9
_CLEFS = {
    "treble": "TrebleClef",
    "bass": "BassClef",
    "treble-8": "Treble8vbClef",
    "bass-8": "Bass8vbClef",
    "treble+8": "Treble8vaClef",
    "percussion": "PercussionClef",
}
_STEMS = ("up", "down")
_Span = tuple[int, int, Chord]  # steps within a bar, and its tones; none for a rest


def save_roll(path: str | Path, roll: Roll, bpm: float | None = None, title: str | None = None) -> None:
    """Write a roll as a MusicXML file, atomically: see :func:`musicxml_bytes`.

    Args:
        path: the file.
        roll: the roll.
        bpm: tempo in beats per minute; by default the roll's own.
        title: title of the piece; by default the file's name.

    Raises:
        UserError: music21 is not installed, or the roll cannot be notated.
        OSError: the file cannot be written.

    """
    write_bytes(path, musicxml_bytes(roll, bpm, Path(path).stem if title is None else title))


def musicxml_bytes(roll: Roll, bpm: float | None = None, title: str = "") -> bytes:
    """Return a roll as the content of a MusicXML file. The same roll gives the same bytes.

    Args:
        roll: the roll.
        bpm: tempo in beats per minute; by default the roll's own, or none if it is unknown.
        title: title of the piece.

    Raises:
        TypeError: ``roll`` is not a ``Roll``.
        UserError: music21 is not installed, the roll's bars have no time signature, or a note is too short to be
            written.

    """
    if not isinstance(roll, Roll):
        raise TypeError(f"a score is made from a Roll, not {type(roll).__name__}")
    if roll.metre is None:
        raise UserError(f"bars of {roll.steps} steps at {roll.resolution} per beat have no time signature for a score")
    require_music21()
    from music21.musicxml.m21ToXml import ScoreExporter

    score, drums = _score(roll.at_tempo(bpm), title)
    exporter = ScoreExporter(score, makeNotation=False)
    exporter.parse()
    root: ElementTree.Element = exporter.xmlRoot
    _mend_encoding(root)
    for part_id, pitches in drums.items():
        _name_drums(root, part_id, pitches)
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8")
    return _DOCTYPE.encode() + content + b"\n"


def _score(roll: Roll, title: str) -> tuple[stream.Score, dict[str, list[int]]]:
    """Return music21's score, and the drums of each percussion part in the order of their notes, by the part's id."""
    from music21 import layout, metadata, stream
    from music21.analysis.discrete import KrumhanslKessler

    weights = KrumhanslKessler()
    pitched = ~roll.track_set.drums[roll.notes()["track"]]
    key = key_of(roll.notes(), pitched, weights.getWeights("major"), weights.getWeights("minor"))
    score = stream.Score()
    score.metadata = metadata.Metadata(title=title or "Untitled")
    drums: dict[str, list[int]] = {}
    writer = _Writer(roll, key)
    for number, part in enumerate(parts_of(roll)):
        part_id = f"P{number + 1}"
        hits: list[int] = []
        staves = [writer.staff(part, staff, index, hits) for index, staff in enumerate(part.staves)]
        for index, staff in enumerate(staves):
            staff.id = part_id if index == 0 else f"{part_id}-{index + 1}"
            if index == 0:
                staff.insert(0, _instrument(part, part_id, number))
            score.insert(0, staff)
        if number == 0:
            writer.tempos(staves[0])
        if len(staves) > 1:
            score.insert(0, layout.StaffGroup(staves, name=part.name, symbol="brace", barTogether=True))
        if part.is_drum:
            drums[part_id] = hits
    if is_choir(roll.track_set):
        score.insert(0, layout.StaffGroup(list(score.parts), symbol="bracket", barTogether=True))
    return score, drums


def _instrument(part: Part, part_id: str, number: int) -> Any:
    from music21 import instrument
    from pretty_midi import program_to_instrument_name

    one = instrument.UnpitchedPercussion() if part.is_drum else instrument.Instrument()
    one.instrumentId = f"{part_id}-I1"
    one.partId, one.partName = part_id, part.name
    one.instrumentName = "Drums" if part.is_drum else program_to_instrument_name(part.track.program)
    one.midiChannel = _DRUM_CHANNEL if part.is_drum else _CHANNELS[number % len(_CHANNELS)]
    one.midiProgram = part.track.program
    return one


class _Writer:
    """Makes music21's staves of a roll."""

    def __init__(self, roll: Roll, key: Key) -> None:
        self._roll, self._key = roll, key
        assert roll.metre is not None  # noqa: S101 (checked by the caller)
        self._metre = roll.metre
        self._rhythm = Rhythm(roll.resolution, roll.metre, roll.steps)

    def staff(self, part: Part, staff: Staff, index: int, hits: list[int]) -> stream.Part:
        """Return a staff with its measures; appends the drums that it writes to ``hits``."""
        from music21 import bar, clef, key, meter, stream
        from music21.stream.makeNotation import makeAccidentalsInMeasureStream

        roll = self._roll
        out: stream.Part = stream.PartStaff() if len(part.staves) > 1 else stream.Part()
        out.partName, out.partAbbreviation = part.name, ""
        shared = len(staff.lines) > 1
        lines = [cut_at_bars(line, roll.bars, roll.steps) for line in staff.lines]
        for number in range(roll.bars):
            measure = stream.Measure(number=number + 1)
            if number == 0:
                measure.insert(0, getattr(clef, _CLEFS[staff.clef])())
                if not part.is_drum:
                    mode = "minor" if self._key.minor else "major"
                    measure.insert(0, key.KeySignature(self._key.fifths).asKey(mode))
                measure.insert(0, meter.TimeSignature(f"{self._metre[0]}/{self._metre[1]}"))
            bars = [_within(line[number], number * roll.steps) for line in lines]
            if part.is_drum:
                voices = [self._hits(bars[0])]
            elif shared:
                voices = [voices_of(tones, single=True)[0] for tones in bars]
            else:
                voices = voices_of(bars[0])
            self._fill(measure, voices, shared, hits if part.is_drum else None)
            if number == roll.bars - 1:
                measure.rightBarline = bar.Barline("final")
            out.append(measure)
        if not part.is_drum:
            makeAccidentalsInMeasureStream(out)
        out.makeBeams(inPlace=True, setStemDirections=False)
        return out

    def tempos(self, part: stream.Part) -> None:
        """Write the tempo marks above a staff."""
        from music21 import tempo

        roll = self._roll
        measures = list(part.getElementsByClass("Measure"))
        for step, bpm in roll.tempos or ():
            number, within = divmod(step, roll.steps)
            if number < len(measures):
                mark = tempo.MetronomeMark(number=round(bpm, 2))
                measures[number].insert(_quarters(within, roll.resolution), mark)

    def _hits(self, tones: list[Tone]) -> Voice:
        """Return one voice of drum hits: each lasts to the next, or to the end of its beat."""
        window = self._rhythm.window
        voice: Voice = []
        onsets = sorted({tone.onset for tone in tones})
        for onset, following in pairwise([*onsets, self._roll.steps]):
            stop = min(following, (onset // window + 1) * window)
            chosen = sorted((tone for tone in tones if tone.onset == onset), key=lambda tone: tone.pitch)
            voice.append(tuple(Tone(onset, stop, tone.pitch) for tone in chosen))
        return voice

    def _fill(self, measure: stream.Measure, voices: list[Voice], shared: bool, hits: list[int] | None) -> None:
        from music21 import note, stream

        length = _quarters(self._roll.steps, self._roll.resolution)
        if not any(voices):
            rest = note.Rest(quarterLength=length)
            rest.fullMeasure = True
            measure.insert(0, rest)
            return
        if len(voices) == 1:
            self._write(measure, voices[0], None, True, hits)
            return
        for number, voice in enumerate(voices):
            one = stream.Voice(id=str(number + 1))
            self._write(one, voice, _STEMS[number], shared or number == 0, None)
            measure.insert(0, one)

    def _write(
        self,
        into: stream.Measure | stream.Voice,
        voice: Voice,
        stem: str | None,
        show_rests: bool,
        hits: list[int] | None,
    ) -> None:
        """Write a voice of one bar."""
        spans: list[_Span] = []
        at = 0
        for chord in [*voice, ()]:
            onset = chord[0].onset if chord else self._roll.steps
            if onset > at:
                spans.append((at, onset, ()))
            if chord:
                spans.append((onset, chord[0].stop, chord))
                at = chord[0].stop
        step = 0
        for (_, _, chord), values in zip(spans, self._rhythm.write([span[:2] for span in spans]), strict=True):
            for number, value in enumerate(values):
                sounding = chord if hits is None or number == 0 else ()
                one = self._element(sounding, number == 0, number == len(values) - 1, hits)
                one.duration = _duration(value)
                if stem and sounding:
                    one.stemDirection = stem
                elif not (sounding or show_rests):
                    one.style.hideObjectOnPrint = True
                into.insert(_quarters(step, self._roll.resolution), one)
                step += value.length

    def _element(self, tones: Chord, is_first: bool, is_last: bool, hits: list[int] | None) -> Any:
        """Return a rest, a note or a chord; its tones are tied to neighbouring pieces."""
        from music21 import chord, note, percussion, tie

        if not tones:
            return note.Rest()
        if hits is not None:
            hits += [tone.pitch for tone in tones]
            struck = [_drum_note(tone.pitch) for tone in tones]
            return struck[0] if len(struck) == 1 else percussion.PercussionChord(struck)
        notes = []
        for tone in tones:
            one = note.Note(spell(tone.pitch, self._key))
            before, after = tone.continues or not is_first, tone.goes_on or not is_last
            if before or after:
                one.tie = tie.Tie("continue" if before and after else "stop" if before else "start")
            notes.append(one)
        return notes[0] if len(notes) == 1 else chord.Chord(notes)


def _within(tones: list[Tone], first: int) -> list[Tone]:
    """Count the steps of tones from the start of their bar."""
    return [Tone(tone.onset - first, tone.stop - first, tone.pitch, tone.continues, tone.goes_on) for tone in tones]


def _drum_note(pitch: int) -> Any:
    from music21 import note

    kind = drum(pitch)
    one = note.Unpitched(displayName=kind.place)
    one.notehead = kind.head
    return one


def _duration(value: Value) -> Any:
    from music21 import duration

    out = duration.Duration(type=value.type, dots=value.dots)
    if value.tuplet:
        tuplet = duration.Tuplet(value.tuplet.actual, value.tuplet.normal, value.tuplet.type)
        tuplet.type = value.bracket
        out.appendTuplet(tuplet)
    return out


def _quarters(steps: int, resolution: int) -> Fraction:
    return Fraction(steps, resolution)


def _mend_encoding(root: ElementTree.Element) -> None:
    """Name the program that wrote the file, and leave out the date: the same roll gives the same file."""
    encoding = root.find("identification/encoding")
    if encoding is not None:
        for date in encoding.findall("encoding-date"):
            encoding.remove(date)
        software = ElementTree.Element("software")
        software.text = f"bgmusic {__version__}"
        encoding.insert(0, software)
    identification = root.find("identification")
    if identification is not None:
        for creator in identification.findall("creator"):
            identification.remove(creator)  # "Music21"


def _name_drums(root: ElementTree.Element, part_id: str, pitches: list[int]) -> None:
    """Give each drum of a percussion part an instrument of its own; music21 writes one for all."""
    entry = root.find(f"part-list/score-part[@id='{part_id}']")
    part = root.find(f"part[@id='{part_id}']")
    if entry is None or part is None or not pitches:
        return
    for element in [*entry.findall("score-instrument"), *entry.findall("midi-instrument")]:
        entry.remove(element)
    used = sorted(set(pitches))
    for pitch in used:
        one = ElementTree.SubElement(entry, "score-instrument", id=f"{part_id}-I{pitch}")
        ElementTree.SubElement(one, "instrument-name").text = drum(pitch).name
    for pitch in used:
        one = ElementTree.SubElement(entry, "midi-instrument", id=f"{part_id}-I{pitch}")
        ElementTree.SubElement(one, "midi-channel").text = str(_DRUM_CHANNEL + 1)
        ElementTree.SubElement(one, "midi-program").text = "1"
        ElementTree.SubElement(one, "midi-unpitched").text = str(pitch + 1)
    written = [note for note in part.iter("note") if note.find("unpitched") is not None]
    for note, pitch in zip(written, pitches, strict=True):
        for element in note.findall("instrument"):
            note.remove(element)
        place = [child.tag for child in note].index("duration") + 1
        note.insert(place, ElementTree.Element("instrument", id=f"{part_id}-I{pitch}"))
