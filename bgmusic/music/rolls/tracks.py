"""Track sets: the ordered tracks of a roll, as data.

A track says how it sounds (name, General MIDI program, drums or not), what it collects from a piece
(programs, the drum channel, or a part's name), and between which pitches it moves. ``lpd-5``, ``lpd-8`` and
``satb`` are given in ``configs/tracks/``; any other is a YAML file of the same form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

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

    ``program`` is the General MIDI program (0-127) that plays it; ``programs`` are those it collects (none
    for drums, which collect the percussion channel). ``low`` and ``high`` are its lowest and highest MIDI
    pitch, both included. ``parts`` are names by which a set with ``by="part"`` finds it, compared without
    case.
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
    """The ordered tracks of a roll and its pitch grid: ``pitches`` rows from MIDI pitch ``low`` up.

    ``by`` says how notes find their track: by General MIDI ``program``, or by the ``part`` they are written
    in. Every track's range lies within the grid (it is narrowed to it when the set is made).

    Raises:
        UserError: a field makes no sense (a program above 127, two tracks that collect the same program,
        ...).

    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    tracks: tuple[Track, ...]
    low: int = 24
    pitches: int = 84
    by: Literal["program", "part"] = "program"

    def __post_init__(self) -> None:
        self._check()
        # Frozen: the one place where a range is narrowed to the grid.
        narrowed = tuple(_narrow(track, self.low, self.high) for track in self.tracks)
        object.__setattr__(self, "tracks", narrowed)

    def _check(self) -> None:
        def refuse(reason: str) -> None:
            raise UserError(f"track set {self.name!r}: {reason}")

        if not 1 <= len(self.tracks) <= MAX_TRACKS:
            refuse(f"needs 1 to {MAX_TRACKS} tracks, has {len(self.tracks)}")
        if not (self.low >= 0 and self.pitches >= 1 and self.high <= MAX_PITCH):
            refuse(f"pitches {self.low} to {self.high} are not within 0 to {MAX_PITCH}")
        names = [track.name for track in self.tracks]
        if len(set(names)) < len(names) or not all(names):
            refuse("every track needs a name of its own")
        collected: dict[int, str] = {}
        for track in self.tracks:
            if not 0 <= track.program <= MAX_PROGRAM:
                refuse(f"track {track.name!r}: program {track.program} is not within 0 to {MAX_PROGRAM}")
            if track.is_drum and track.programs:
                refuse(f"track {track.name!r}: drums collect the percussion channel, not programs")
            if max(track.low, self.low) > min(track.high, self.high):
                refuse(f"track {track.name!r}: no pitch from {track.low} to {track.high} is on the grid")
            for program in track.programs:
                if not 0 <= program <= MAX_PROGRAM:
                    refuse(f"track {track.name!r}: program {program} is not within 0 to {MAX_PROGRAM}")
                if program in collected:
                    refuse(f"program {program} is collected by {collected[program]!r} and {track.name!r}")
                collected[program] = track.name
        if self.by == "program" and sum(track.is_drum for track in self.tracks) > 1:
            refuse("two tracks collect the drums")

    def __len__(self) -> int:
        return len(self.tracks)

    @property
    def high(self) -> int:
        """The grid's highest MIDI pitch."""
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
        """The index of the track that collects this program (or the drums), or None."""
        return self.drum_track if is_drum else self._by_program.get(program)

    @cached_property
    def by_sound(self) -> NDArray[np.int64]:
        """``assign`` as an array: the track of each program, at index 128 of the drums; ``len(self)`` is none."""
        found = [*(self.assign(program, False) for program in range(MAX_PROGRAM + 1)), self.drum_track]
        return np.array([len(self) if track is None else track for track in found], dtype=np.int64)

    def assign_parts(self, names: Sequence[str]) -> list[int | None]:
        """For each of a piece's part names the index of its track, or None.

        Parts are found by name where every track finds exactly one; otherwise by order, where there are as
        many parts as tracks.

        Raises:
            UserError: neither holds.

        """
        keys = [name.strip().lower() for name in names]
        known = {key: i for i, t in enumerate(self.tracks) for key in {t.name.lower(), *map(str.lower, t.parts)}}
        found = [known.get(key) for key in keys]
        if sorted(i for i in found if i is not None) == list(range(len(self.tracks))):
            return found
        if len(keys) == len(self.tracks):
            return list(range(len(keys)))
        raise UserError(f"track set {self.name!r} needs {len(self.tracks)} parts, the piece has {len(keys)}")

    def with_grid(self, low: int, pitches: int) -> TrackSet:
        """The set on another pitch grid; tracks whose range filled the old grid fill the new one.

        Raises:
            UserError: a track has no pitch on that grid.

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
        """The set as plain values for YAML or JSON; ``from_dict`` reads them back."""
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
        """Read a set from plain values; ``programs`` may be ``"0-7, 24"`` or a list of numbers.

        Raises:
            UserError: an unknown key, a missing one, or a value that makes no sense; ``source`` is named.

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
        """A given set by name (``lpd-5``, ``lpd-8``, ``satb``), or any other from a YAML file.

        Raises:
            UserError: there is no such set or file, or it is not a track set.

        """
        given = {path.stem: path for path in sorted((configs_dir() / "tracks").glob("*.yaml"))}
        path = given.get(str(name_or_path), Path(name_or_path))
        if not path.is_file():
            raise UserError(f"no track set {str(name_or_path)!r}: give {', '.join(given)}, or a YAML file")
        return TrackSet.from_dict(read_yaml(path), str(path))


def _narrow(track: Track, low: int, high: int) -> Track:
    low, high = max(track.low, low), min(track.high, high)
    return Track(track.name, track.program, track.is_drum, track.programs, low, high, track.parts)


def _with_numbers(values: Any) -> Any:
    """``values`` with the tracks' program ranges as numbers; everything else is left to validation."""
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
    """The numbers of ``"0-7, 24"``."""
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
