"""Place General MIDI's drums on the staff.

Positions and noteheads follow N. Weinberg, "Guidelines for Drumset Notation" (Percussive Notes, 1994), for the drum
kit; the other percussion instruments stand on the top line and above, with the notehead of their kind.
"""

from __future__ import annotations

from dataclasses import dataclass

_KIT = {
    35: ("E4", "normal"),
    36: ("F4", "normal"),
    37: ("C5", "cross"),
    38: ("C5", "normal"),
    39: ("C5", "triangle"),
    40: ("C5", "normal"),
    41: ("G4", "normal"),
    42: ("G5", "x"),
    43: ("A4", "normal"),
    44: ("D4", "x"),
    45: ("B4", "normal"),
    46: ("G5", "circle-x"),
    47: ("D5", "normal"),
    48: ("E5", "normal"),
    49: ("A5", "x"),
    50: ("E5", "normal"),
    51: ("F5", "x"),
    52: ("B5", "x"),
    53: ("F5", "diamond"),
    54: ("B5", "triangle"),
    55: ("A5", "diamond"),
    56: ("E5", "triangle"),
    57: ("A5", "x"),
    59: ("F5", "x"),
}
_OTHER = ("E5", "triangle")
_LOW, _HIGH = "F4", "A5"
_GENERAL = range(35, 82)


@dataclass(frozen=True)
class Drum:
    """How a drum is written.

    Attributes:
        name: its name in General MIDI, or "Drum 30".
        place: where it stands on the staff, as the note that stands there under a treble clef, such as ``"F4"``.
        head: its notehead, a name of MusicXML.

    """

    name: str
    place: str
    head: str


def drum(pitch: int) -> Drum:
    """Return how the drum of a MIDI pitch is written."""
    from pretty_midi import note_number_to_drum_name

    if pitch not in _GENERAL:
        return Drum(f"Drum {pitch}", _LOW if pitch < _GENERAL[0] else _HIGH, "slash")
    place, head = _KIT.get(pitch, _OTHER)
    return Drum(note_number_to_drum_name(pitch), place, head)
