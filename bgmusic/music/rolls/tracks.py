"""Track sets: the ordered tracks of a roll.

A track has a name, a General MIDI program that plays it, a pitch range, and the notes that it collects from a song: by
program, channel, or name of their part. ``configs/tracks/`` has the shipped sets ``lpd-5``, ``lpd-8``, ``pop909`` and
``satb``; others are YAML files of the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from bgmusic.errors import UserError
from bgmusic.files import configs_dir
from bgmusic.music.rolls.checks import require_integer
from bgmusic.music.rolls.number_ranges import with_numbers
from bgmusic.music.rolls.part_names import NameMatcher
from bgmusic.yaml import read_yaml

MAX_PITCH = 127
MAX_PROGRAM = 127
MAX_TRACKS = 64
MAX_CHANNEL = 16
PERCUSSION = 128  # index of the drums in ``TrackSet.by_sound``
RULES = ("name", "channel", "program")
_BASSES = range(32, 40)  # General MIDI programs
_RANGES = {"programs": (0, MAX_PROGRAM), "channels": (1, MAX_CHANNEL)}


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
        parts: names of parts that it collects besides its own, case-insensitive, with the wildcards ``*``, ``?`` and
            ``[abc]``.
        channels: the MIDI channels that it collects, 1 to 16.

    Raises:
        TypeError: the name is no text, or a number is not an integer.
        UserError: a number is out of range.

    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    program: int
    is_drum: bool = False
    programs: tuple[int, ...] = ()
    low: int = 0
    high: int = MAX_PITCH
    parts: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"a track's name must be text, not {self.name!r:.60}")
        for what, numbers, low, high in (
            ("program", (self.program, *self.programs), 0, MAX_PROGRAM),
            ("low", (self.low,), 0, MAX_PITCH),
            ("high", (self.high,), 0, MAX_PITCH),
            ("channel", self.channels, 1, MAX_CHANNEL),
        ):
            for number in numbers:
                require_integer(f"track {self.name!r:.60}: {what}", number)
                if not low <= number <= high:
                    raise UserError(f"track {self.name!r:.60}: {what} {number} is not within {low} to {high}")


@dataclass(frozen=True)
class TrackSet:
    """The ordered tracks of a roll and its pitch rows.

    Attributes:
        name: the set's name.
        tracks: 1 to 64 tracks; their ranges are narrowed to the set's pitches.
        low: MIDI pitch of row 0.
        pitches: number of rows, one per semitone.
        by: what assigns a note to a track: ``"program"``, ``"channel"`` or ``"name"`` (of its part), or several of
            these in order, the first that finds a track; or ``"part"``: the parts of a piece are the tracks, matched by
            name, else by order.
        annotations: names of parts that are no music, such as chord labels written as notes; with wildcards. They are
            left out and not counted as lost.

    Raises:
        TypeError: a field has another type.
        UserError: a value is out of range, or two tracks collect the same notes.

    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    tracks: tuple[Track, ...]
    low: int = 24
    pitches: int = 84
    by: str | tuple[str, ...] = "program"
    annotations: tuple[str, ...] = ()

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
        allowed = {"part"} if self.by == "part" else set(RULES)
        if not self.rules or len(set(self.rules)) < len(self.rules) or not set(self.rules) <= allowed:
            self._refuse(f"by is part, or one or several of {', '.join(RULES)}, not {str(self.by)[:60]!r}")
        if not 1 <= len(self.tracks) <= MAX_TRACKS:
            self._refuse(f"needs 1 to {MAX_TRACKS} tracks, has {len(self.tracks)}")
        if not (self.low >= 0 and self.pitches >= 1 and self.high <= MAX_PITCH):
            self._refuse(f"pitches {self.low} to {self.high} are not within 0 to {MAX_PITCH}")
        names = [track.name for track in self.tracks]
        if len(set(names)) < len(names) or not all(names):
            self._refuse("every track needs a name, and no two the same")
        if self.rules == ("program",) and sum(track.is_drum for track in self.tracks) > 1:
            self._refuse("two tracks collect the percussion channel")
        self._check_tracks()
        self._check_names()

    def _check_tracks(self) -> None:
        collected: dict[int, str] = {}
        for track in self.tracks:
            if track.is_drum and track.programs:
                self._refuse(f"track {track.name!r}: a drum track collects the percussion channel, not programs")
            if max(track.low, self.low) > min(track.high, self.high):
                self._refuse(f"track {track.name!r}: no pitch from {track.low} to {track.high} is on the grid")
            for program in track.programs:
                if program in collected:
                    self._refuse(f"program {program} is collected by both {collected[program]!r} and {track.name!r}")
                collected[program] = track.name
            for channel in track.channels:
                if any(channel in other.channels for other in self.tracks if other is not track):
                    self._refuse(f"channel {channel} is collected by two tracks, one of them {track.name!r}")

    def _check_names(self) -> None:
        try:
            ambiguous = self._names.ambiguous()
            self._annotations  # noqa: B018 (compiles the patterns)
        except ValueError as error:
            self._refuse(str(error))
        if "name" in self.rules and ambiguous:
            name, one, other = ambiguous
            both = f"{self.tracks[one].name!r} and {self.tracks[other].name!r}"
            self._refuse(f"the name {name!r} is collected by both {both}")

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

    @property
    def bass(self) -> int | None:
        """The track that plays the bass: by its program, else the pitched one of the lowest range; None if unclear."""
        pitched = {number: track for number, track in enumerate(self.tracks) if not track.is_drum}
        by_program = [number for number, track in pitched.items() if track.program in _BASSES]
        if len(by_program) == 1:
            return by_program[0]
        lowest = min((track.high for track in pitched.values()), default=0)
        found = [number for number, track in pitched.items() if track.high == lowest]
        return found[0] if len(found) == 1 and len(pitched) > 1 else None

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that assign notes, in order."""
        return (self.by,) if isinstance(self.by, str) else self.by

    @cached_property
    def _names(self) -> NameMatcher:
        return NameMatcher([track.parts for track in self.tracks], [(track.name,) for track in self.tracks])

    @cached_property
    def _annotations(self) -> NameMatcher:
        return NameMatcher([self.annotations])

    def match_names(self, names: Sequence[str]) -> list[list[int]]:
        """Return the tracks that match each part's name, best first: exact names, then patterns in track order."""
        return self._names.match(names)

    def match_annotations(self, names: Sequence[str]) -> list[bool]:
        """Return whether each part is an annotation, by its name."""
        return [bool(found) for found in self._annotations.match(names)]

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
        """Int64 ``(129,)``: the track of each program, and at index ``PERCUSSION`` of drums; ``len(self)`` for none."""
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
        matches = [found[0] if found else None for found in self.match_names(names)]
        if sorted(i for i in matches if i is not None) == list(range(len(self.tracks))):
            return matches
        if len(names) == len(self.tracks):
            return list(range(len(names)))
        raise UserError(
            f"track set {self.name!r} needs {len(self.tracks)} parts, the piece has {len(names)} (a track set with "
            "`by: name` leaves out the parts that no track names)"
        )

    def with_grid(self, low: int, pitches: int) -> TrackSet:
        """Return the set with other pitch rows; bounds of tracks that lay at the old edges move to the new ones.

        Args:
            low: MIDI pitch of row 0.
            pitches: number of rows.

        Raises:
            UserError: the range of a track is outside the rows.

        """
        tracks = tuple(
            replace(
                t,
                low=low if t.low == self.low else t.low,
                high=low + pitches - 1 if t.high == self.high else t.high,
            )
            for t in self.tracks
        )
        return replace(self, tracks=tracks, low=low, pitches=pitches)

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
                **({"channels": list(t.channels)} if t.channels else {}),
            }
            for t in self.tracks
        ]
        # Keys of later versions only where they are used: corpora of older versions must be rebuilt byte for byte.
        return {
            "name": self.name,
            "by": self.by if isinstance(self.by, str) else list(self.by),
            "low": self.low,
            "pitches": self.pitches,
            **({"annotations": list(self.annotations)} if self.annotations else {}),
            "tracks": tracks,
        }

    @staticmethod
    def from_dict(values: Any, source: str = "track set") -> TrackSet:
        """Make a set from a dictionary of untrusted values.

        Args:
            values: the fields of ``TrackSet`` and ``Track``; ``programs`` and ``channels`` are lists of numbers or
                text such as ``"0-7, 24"``.
            source: where the values come from, for error messages.

        Raises:
            UserError: a key is unknown or missing, or a value is invalid.

        """
        try:
            return TypeAdapter(TrackSet).validate_python(with_numbers(values, _RANGES))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{source}: {where}: {first['msg']}") from None
        except UserError as error:
            raise UserError(f"{source}: {error}") from None

    @staticmethod
    def load(name_or_path: str | Path) -> TrackSet:
        """Load a shipped set (``lpd-5``, ``lpd-8``, ``pop909``, ``satb``) or a YAML file.

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
    return replace(track, low=max(track.low, low), high=min(track.high, high))
