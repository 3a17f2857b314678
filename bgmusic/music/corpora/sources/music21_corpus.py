"""Read the corpora that come with music21, such as ``music21:bach``."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources.base import Entry, Unreadable
from bgmusic.music.midi.song import KEY_SIGNATURE, NOTE, TEMPO, TIME_SIGNATURE, Song, sort_notes, table

if TYPE_CHECKING:
    from music21.stream import Score

TICKS_PER_BEAT = 10080  # 2^5 * 3^2 * 5 * 7: exact for triplets, quintuplets and 1/128 notes


class Music21Source:
    """The scores of one composer or collection in music21's corpus.

    Raises:
        UserError: music21 is not installed, or has no such corpus.

    """

    def __init__(self, name: str) -> None:
        try:
            from music21 import corpus
        except ImportError:
            raise UserError("music21 is not installed: pip install 'bgmusic[music21]'") from None
        self._name = name
        self._paths = _one_of_each([Path(path) for path in corpus.getComposer(name)]) if name else []
        if not self._paths:
            raise UserError(f"music21 has no corpus {name!r}: try music21:bach")

    def entries(self) -> Iterator[Entry]:
        """See ``Source.entries``. Parsing a chorale takes about 0.1 s, so the nominal size makes chunks small."""
        for number, path in enumerate(self._paths):
            yield Entry(f"music21/{self._name}/{path.name}", "music21", 1 << 20, number)

    def read(self, entry: Entry) -> bytes:
        """Return the path of the score: it is parsed in place, since it may refer to other files."""
        return str(self._paths[int(entry.key)]).encode()

    def close(self) -> None:
        """See ``Source.close``."""


def _one_of_each(paths: list[Path]) -> list[Path]:
    """Keep one file of each work that exists in several formats, MusicXML if there is one."""
    chosen: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: (path.suffix != ".mxl", path.suffix != ".xml", path)):
        chosen.setdefault(path.with_suffix(""), path)
    return sorted(chosen.values())


def decode_music21(content: bytes) -> tuple[Song, bytes]:
    """Parse the score at the path ``content``; return the song, and the bytes of the file.

    Raises:
        Unreadable: music21 can't parse the file, or the score has no parts.

    """
    from music21.converter import Converter
    from music21.stream import Score

    path = Path(content.decode())
    converter = Converter()
    try:
        # Bypass music21's cache of pickles.
        converter.parseFile(path, forceSource=True, storePickle=False)
    except Exception as error:  # music21's parsers raise many types
        raise Unreadable(f"music21: {type(error).__name__}: {error}") from None
    score = converter.stream
    if not isinstance(score, Score) or not score.parts:
        raise Unreadable("no score with parts")
    return song_of_score(score), path.read_bytes()


def song_of_score(score: Score) -> Song:
    """Convert a music21 score to a song with the same parts; tied notes are joined.

    An incomplete first measure is the pickup. Bars are counted from the first downbeat, across incomplete inner
    measures (the end of a phrase and the upbeat of the next). An incomplete last bar, which complements the pickup,
    gets a time signature of its own.
    """
    from music21.tempo import MetronomeMark

    rows: list[tuple[Any, ...]] = []
    names = []
    for number, part in enumerate(score.parts):
        names.append(str(part.partName or ""))
        for note in part.stripTies().flatten().notes:
            if not note.duration.isGrace:
                times = _ticks(note.offset), max(1, _ticks(note.quarterLength))
                rows.extend((*times, int(p.midi), 100, 0, False, number) for p in getattr(note, "pitches", ()))
    first = score.parts[0]
    flat = first.flatten()
    signatures = {_ticks(s.offset): (s.numerator, s.denominator) for s in flat.getElementsByClass("TimeSignature")}
    keys = {
        _ticks(k.offset): (k.sharps, getattr(k, "mode", None) == "minor")
        for k in flat.getElementsByClass("KeySignature")
    }
    marks = [mark.number for mark in flat.getElementsByClass(MetronomeMark) if mark.number]
    notes = sort_notes(table(NOTE, rows))
    end, pickup = int(np.max(notes["onset"] + notes["duration"], initial=0)), _pickup(first)
    last = max(((tick, *value) for tick, value in signatures.items()), default=(0, 4, 4))
    signatures |= _last_bar(max(last[0], pickup), last[1], last[2], end)
    return Song(
        ticks_per_beat=TICKS_PER_BEAT,
        notes=notes,
        tempos=table(TEMPO, [(0, float(marks[0]))] if marks else []),
        time_signatures=table(TIME_SIGNATURE, [(tick, *value) for tick, value in sorted(signatures.items())]),
        key_signatures=table(KEY_SIGNATURE, [(tick, *value) for tick, value in sorted(keys.items())]),
        parts=tuple(names),
        pickup=pickup,
        end=end,
    )


def _last_bar(start: int, numerator: int, denominator: int, end: int) -> dict[int, tuple[int, int]]:
    """Return the time signature of an incomplete last bar, by its tick; bars are counted from ``start``."""
    unit = 4 * TICKS_PER_BEAT // denominator
    rest = (end - start) % (numerator * unit)
    return {end - rest: (rest // unit, denominator)} if end > start and rest >= unit else {}


def _pickup(part: Any) -> int:
    """Return the length of an incomplete first measure in ticks, or 0."""
    measure = part.getElementsByClass("Measure").first()
    if measure is None or measure.timeSignature is None:
        return 0
    length = measure.duration.quarterLength
    return _ticks(length) if 0 < length < measure.barDuration.quarterLength else 0


def _ticks(quarters: float | Fraction) -> int:
    return round(Fraction(quarters) * TICKS_PER_BEAT)
