"""Track sets: the ordered tracks of a roll.

A track has a name, a General MIDI program that plays it, a pitch range, and a rule for the notes that it collects from
a song: their programs, the percussion channel, or the name of their part. ``configs/tracks/`` has the shipped sets
``lpd-5``, ``lpd-8`` and ``satb``; others are YAML files of the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from bgmusic.errors import UserError
from bgmusic.files import configs_dir
from bgmusic.yaml import read_yaml

MAX_PITCH = 127
MAX_PROGRAM = 127
MAX_TRACKS = 64


@dataclass(frozen=True)
class Track:
    """One track of a track set.

    Attributes:
        name: unique name.
        program: the General MIDI program that plays it, 0 to 127.
        is_drum: whether it collects the percussion channel.
        programs: the programs that it collects; none for drums.
        low: lowest MIDI pitch.
        high: highest MIDI pitch, included.
        parts: further part names that match the track in a set with ``by="part"``, case-insensitive.

    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    program: int
    is_drum: bool = False
    programs: tuple[int, ...] = ()
    low: int = 0
    high: int = MAX_PITCH
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrackSet:
    """The ordered tracks of a roll and its pitch rows.

    Attributes:
        name: the set's name.
        tracks: 1 to 64 tracks; their ranges are narrowed to the set's pitches.
        low: MIDI pitch of row 0.
        pitches: number of rows, one per semitone.
        by: what assigns a note to a track: its General MIDI ``program`` or its ``part``.

    Raises:
        TypeError: a field has another type.
        UserError: a value is out of range, or two tracks collect the same notes.

    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    tracks: tuple[Track, ...]
    low: int = 24
    pitches: int = 84
    by: Literal["program", "part"] = "program"

    def __post_init__(self) -> None:
        self._check()
        # The class is frozen; this is the only assignment.
        narrowed = tuple(_narrow(track, self.low, self.high) for track in self.tracks)
        object.__setattr__(self, "tracks", narrowed)

    def _check(self) -> None:
        if not all(isinstance(track, Track) for track in self.tracks):
            raise TypeError("tracks must be a sequence of Track")
        if not (isinstance(self.low, int) and isinstance(self.pitches, int)):
            raise TypeError(f"low and pitches must be integers, not {self.low!r} and {self.pitches!r}")
        if self.by not in ("program", "part"):
            self._refuse(f"by is 'program' or 'part', not {self.by!r}")
        if not 1 <= len(self.tracks) <= MAX_TRACKS:
            self._refuse(f"needs 1 to {MAX_TRACKS} tracks, has {len(self.tracks)}")
        if not (self.low >= 0 and self.pitches >= 1 and self.high <= MAX_PITCH):
            self._refuse(f"pitches {self.low} to {self.high} are not within 0 to {MAX_PITCH}")
        names = [track.name for track in self.tracks]
        if len(set(names)) < len(names) or not all(names):
            self._refuse("every track needs a name, and no two the same")
        if self.by == "program" and sum(track.is_drum for track in self.tracks) > 1:
            self._refuse("two tracks collect the percussion channel")
        self._check_tracks()

    def _check_tracks(self) -> None:
        collected: dict[int, str] = {}
        for track in self.tracks:
            if track.is_drum and track.programs:
                self._refuse(f"track {track.name!r}: a drum track collects the percussion channel, not programs")
            if max(track.low, self.low) > min(track.high, self.high):
                self._refuse(f"track {track.name!r}: no pitch from {track.low} to {track.high} is on the grid")
            for program in (track.program, *track.programs):
                if not 0 <= program <= MAX_PROGRAM:
                    self._refuse(f"track {track.name!r}: program {program} is not within 0 to {MAX_PROGRAM}")
            for program in track.programs:
                if program in collected:
                    self._refuse(f"program {program} is collected by both {collected[program]!r} and {track.name!r}")
                collected[program] = track.name

    def _refuse(self, reason: str) -> NoReturn:
        raise UserError(f"track set {self.name!r}: {reason}")

    def __len__(self) -> int:
        return len(self.tracks)

    @property
    def high(self) -> int:
        """The MIDI pitch of the last row."""
        return self.low + self.pitches - 1

    @property
    def drums(self) -> NDArray[np.bool_]:
        """Boolean ``(tracks,)``: True for drum tracks."""
        return np.array([track.is_drum for track in self.tracks], dtype=np.bool_)

    @cached_property
    def _by_program(self) -> dict[int, int]:
        return {program: i for i, track in enumerate(self.tracks) for program in track.programs}

    @cached_property
    def drum_track(self) -> int | None:
        """The index of the first drum track, or None."""
        return next((i for i, track in enumerate(self.tracks) if track.is_drum), None)

    def assign(self, program: int, is_drum: bool) -> int | None:
        """Return the index of the track that collects a program (or the drums), or None."""
        return self.drum_track if is_drum else self._by_program.get(program)

    @cached_property
    def by_sound(self) -> NDArray[np.int64]:
        """Int64 ``(129,)``: the track of each program, and at index 128 of drums; ``len(self)`` for none."""
        tracks = [*(self.assign(program, False) for program in range(MAX_PROGRAM + 1)), self.drum_track]
        return np.array([len(self) if track is None else track for track in tracks], dtype=np.int64)

    def assign_parts(self, names: Sequence[str]) -> list[int | None]:
        """Match the parts of a piece to tracks: by name if every track matches exactly one part, else by order.

        Args:
            names: names of the parts.

        Returns:
            The index of each part's track, or None.

        Raises:
            UserError: the names do not match, and the numbers of parts and tracks differ.

        """
        keys = [name.strip().lower() for name in names]
        known = {key: i for i, t in enumerate(self.tracks) for key in {t.name.lower(), *map(str.lower, t.parts)}}
        matches = [known.get(key) for key in keys]
        if sorted(i for i in matches if i is not None) == list(range(len(self.tracks))):
            return matches
        if len(keys) == len(self.tracks):
            return list(range(len(keys)))
        raise UserError(f"track set {self.name!r} needs {len(self.tracks)} parts, the piece has {len(keys)}")

    def with_grid(self, low: int, pitches: int) -> TrackSet:
        """Return the set with other pitch rows; bounds of tracks that lay at the old edges move to the new ones.

        Args:
            low: MIDI pitch of row 0.
            pitches: number of rows.

        Raises:
            UserError: the range of a track is outside the rows.

        """
        tracks = tuple(
            Track(
                t.name,
                t.program,
                t.is_drum,
                t.programs,
                low if t.low == self.low else t.low,
                low + pitches - 1 if t.high == self.high else t.high,
                t.parts,
            )
            for t in self.tracks
        )
        return TrackSet(self.name, tracks, low, pitches, self.by)

    def to_dict(self) -> dict[str, Any]:
        """Return the set as a dictionary for YAML or JSON; ``from_dict`` is the inverse."""
        tracks = [
            {
                "name": t.name,
                "program": t.program,
                "is_drum": t.is_drum,
                "programs": list(t.programs),
                "low": t.low,
                "high": t.high,
                "parts": list(t.parts),
            }
            for t in self.tracks
        ]
        return {"name": self.name, "by": self.by, "low": self.low, "pitches": self.pitches, "tracks": tracks}

    @staticmethod
    def from_dict(values: Any, source: str = "track set") -> TrackSet:
        """Make a set from a dictionary of untrusted values.

        Args:
            values: the fields of ``TrackSet`` and ``Track``; ``programs`` is a list of numbers or text such as
                ``"0-7, 24"``.
            source: where the values come from, for error messages.

        Raises:
            UserError: a key is unknown or missing, or a value is invalid.

        """
        try:
            return TypeAdapter(TrackSet).validate_python(_with_numbers(values))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{source}: {where}: {first['msg']}") from None
        except UserError as error:
            raise UserError(f"{source}: {error}") from None

    @staticmethod
    def load(name_or_path: str | Path) -> TrackSet:
        """Load a shipped set (``lpd-5``, ``lpd-8``, ``satb``) or a YAML file.

        Args:
            name_or_path: the name of the set, or the path of the file.

        Raises:
            UserError: there is no such set or file, or it is not a valid track set.

        """
        shipped = {path.stem: path for path in sorted((configs_dir() / "tracks").glob("*.yaml"))}
        path = shipped.get(str(name_or_path), Path(name_or_path))
        if not path.is_file():
            raise UserError(f"no track set {str(name_or_path)!r}: choose {', '.join(shipped)}, or give a YAML file")
        return TrackSet.from_dict(read_yaml(path), str(path))


def _narrow(track: Track, low: int, high: int) -> Track:
    low, high = max(track.low, low), min(track.high, high)
    return Track(track.name, track.program, track.is_drum, track.programs, low, high, track.parts)


def _with_numbers(values: Any) -> Any:
    """Parse the program ranges of the tracks; leave everything else to validation."""
    if not isinstance(values, Mapping) or not isinstance(values.get("tracks"), list):
        return values
    tracks = [
        {**track, "programs": _programs(str(track["programs"]))}
        if isinstance(track, Mapping) and isinstance(track.get("programs"), (str, int))
        else track
        for track in values["tracks"]
    ]
    return {**values, "tracks": tracks}


def _programs(text: str) -> tuple[int, ...]:
    """Parse numbers and ranges such as ``"0-7, 24"``."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal() and len(part) < 12):
            raise UserError(f"programs {text!r}: write numbers and ranges, such as 0-7, 24")
        start, end = int(first), int(last or first)
        if not start <= end <= MAX_PROGRAM:
            raise UserError(f"programs {text!r}: {part.strip()!r} is not within 0 to {MAX_PROGRAM}")
        numbers.extend(range(start, end + 1))
    return tuple(numbers)
