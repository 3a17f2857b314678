"""Propose a track set for a folder of files.

Names decide where programs can't: parts with a name that many files share, beside another such part whose program is of
the same family. Without such names, channels decide if all parts of most files have one program. All other parts are
grouped by program.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.corpora.families import FAMILIES, Group, group_families, group_name, programs_of
from bgmusic.music.corpora.survey import Files, Fit, Kind, Progress, Survey, measure, survey
from bgmusic.music.rolls.part_names import MAX_PATTERN, exact_name, name_key
from bgmusic.music.rolls.tracks import MAX_TRACKS, Track, TrackSet

MOST_TRACKS = 8
_REGULAR = 0.2  # share of the files that have a part of the name
_RARE = 0.15  # share of the files with such parts; rarer families are merged
_RARE_SOUNDS = 0.05  # share of all files; rarer drums are left out, other rarer sounds get one track
_RESERVED = 5  # tracks that are kept for parts without such a name, as in LPD-5
_TAIL = 0.0005  # share of a track's notes below, and above, its range
_OCTAVE = 12
_TOP = 119  # highest pitch of the grid: a whole number of octaves below MIDI's 127

_Key = Callable[[Kind], str]


@dataclass(frozen=True)
class Proposal:
    """A proposed track set, and what it is based on.

    Attributes:
        track_set: the track set.
        survey: the parts of the files.
        fit: how the track set fits them.
        unused: names of parts that would be tracks of their own if ``needed`` tracks were allowed.
        needed: see ``unused``.

    """

    track_set: TrackSet
    survey: Survey
    fit: Fit
    unused: tuple[str, ...] = ()
    needed: int = 0


def propose_tracks(
    files: Files, name: str, most: int = MOST_TRACKS, progress: Progress = lambda done: None
) -> Proposal:
    """Propose a track set for files; each is read twice.

    Args:
        files: the files.
        name: name of the track set.
        most: largest number of tracks, 1 to 64.
        progress: callback, called with the number of files read since the last call; twice the number of files in all.

    Raises:
        UserError: ``most`` is out of range, or no file can be read.

    """
    if not 1 <= most <= MAX_TRACKS:
        raise UserError(f"{most} tracks are not within 1 to {MAX_TRACKS}")
    found = survey(files, progress)
    if not found.files:
        first = "; ".join(f"{file}: {reason}" for file, reason in found.unusable[:3])
        none = "the file cannot" if len(found.unusable) == 1 else f"none of {len(found.unusable)} files can"
        raise UserError(f"{none} be read. {first}")
    rough, unused, needed = _track_set(found, name, most)
    fit = measure(files, rough, progress)
    heard = np.flatnonzero(fit.files)
    rough = replace(rough, tracks=tuple(rough.tracks[track] for track in heard))
    fit = replace(
        fit,
        files=fit.files[heard],
        pitches=fit.pitches[heard],
        programs=fit.programs[heard],
        together=fit.together[np.ix_(heard, heard)],
    )
    return Proposal(_with_sounds(rough, fit), found, fit, unused, needed)


def _track_set(found: Survey, name: str, most: int) -> tuple[TrackSet, tuple[str, ...], int]:
    """Return a track set without pitch ranges, and ``unused`` and ``needed`` of the proposal."""
    file, kind = np.array(found.file), np.array(found.kind)
    annotations = _annotations(found, kind)
    music = np.array([name_key(one.name) not in annotations for one in found.kinds], np.bool_)
    drums = np.array([one.is_drum for one in found.kinds], np.bool_) & music
    pitched = music & ~drums

    rule, key = "name", _name_of
    chosen = _regular(found, file, kind, pitched, key, _family)
    if not chosen and _one_program(found, file, kind, pitched):
        rule, key = "channel", _channel_of
        chosen = _regular(found, file, kind, pitched, key, lambda one: 0)
    rest = pitched & np.array([key(one) not in chosen for one in found.kinds], np.bool_)
    with_drums = len(set(file[drums[kind]].tolist())) >= max(1, _RARE_SOUNDS * found.files)
    reserved = min(_RESERVED, len(_groups(found, file, kind, rest, MAX_TRACKS)) + with_drums, most)
    unused, needed = (tuple(chosen), len(chosen) + reserved) if len(chosen) + reserved > most else ((), 0)
    if unused and rest.any():
        chosen, rest = [], pitched
    chosen = chosen[:most]

    named = [_named_track(found, rule, value, key) for value in chosen]
    tracks = [Track("Drums", 0, is_drum=True)] if with_drums and len(named) < most else []
    named, rest = _with_own_families(found, kind, rest, named, chosen, key)
    room = most - len(named) - len(tracks)
    if room:
        groups = _groups(found, file, kind, rest, room)
        tracks += [Track(label, 0, programs=programs_of(group)) for group, label in groups.items()]
    if not named and not tracks:  # rare percussion alone
        tracks = [Track("Drums", 0, is_drum=True)]
    by_program = any(track.programs or track.is_drum for track in (*named, *tracks))
    # By name, too: files that bgmusic writes name their parts, and number channels otherwise.
    rules = (tuple(dict.fromkeys(("name", rule))) if named else ()) + (("program",) if by_program else ())
    patterns = tuple(dict.fromkeys(exact_name(value) for value in annotations))
    by = rules[0] if len(rules) == 1 else rules
    everything = (*named, *_distinct(tracks, named))
    return TrackSet(name, everything, 0, 128, by, annotations=patterns), unused, needed


def _with_own_families(
    found: Survey, kind: NDArray[np.int64], rest: NDArray[np.bool_], named: list[Track], chosen: list[str], key: _Key
) -> tuple[list[Track], NDArray[np.bool_]]:
    """Let a track named as the family of its notes (Piano, ...) collect that family, too; return tracks and rest."""
    weights = np.bincount(kind, np.array(found.notes), minlength=len(found.kinds))
    families = np.array([_family(one) for one in found.kinds])
    result = []
    for track, value in zip(named, chosen, strict=True):
        own = np.array([key(one) == value for one in found.kinds])
        family = int(np.bincount(families[own], weights[own]).argmax())
        others = rest & (families == family)
        if name_key(track.name) == name_key(FAMILIES[family]) and others.any():
            result.append(replace(track, programs=programs_of((family,))))
            rest = rest & ~others
        else:
            result.append(track)
    return result, rest


def _name_of(kind: Kind) -> str:
    name = name_key(kind.name)
    return "" if name == str(kind.channel) else name  # parts of a track without a name are named by their channel


def _channel_of(kind: Kind) -> str:
    return str(kind.channel) if kind.channel else ""


def _family(kind: Kind) -> int:
    return kind.program // 8


def _annotations(found: Survey, kind: NDArray[np.int64]) -> list[str]:
    """Return the names of parts that are chord labels in most of the files that have them."""
    parts: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for number, count in Counter(kind.tolist()).items():
        one = found.kinds[number]
        parts[name_key(one.name)] += count
        labels[name_key(one.name)] += count * one.labels
    usual = [name for name, count in labels.most_common(8) if count > 0.8 * parts[name]]
    everything = {name_key(one.name) for one in found.kinds}
    return [] if everything <= set(usual) else usual


def _regular(
    found: Survey,
    file: NDArray[np.int64],
    kind: NDArray[np.int64],
    music: NDArray[np.bool_],
    key: _Key,
    alike: Callable[[Kind], int],
) -> list[str]:
    """Return the keys that many files share, if another such part of a file is ``alike``."""
    files = defaultdict(set)
    for number, where in zip(kind.tolist(), file.tolist(), strict=True):
        value = key(found.kinds[number])
        if music[number] and value and len(value) < MAX_PATTERN:
            files[value].add(where)
    least = max(min(2, found.files), _REGULAR * found.files)
    regular = {value for value, those in files.items() if len(those) >= least}
    beside: dict[tuple[int, int], set[str]] = defaultdict(set)  # the regular keys of a file that are alike
    for number, where in zip(kind.tolist(), file.tolist(), strict=True):
        one = found.kinds[number]
        if music[number] and key(one) in regular:
            beside[where, alike(one)].add(key(one))
    shared: Counter[str] = Counter()
    for values in beside.values():
        shared.update(values if len(values) > 1 else ())
    usual = [value for value in regular if shared[value] >= 0.5 * len(files[value])]
    order = {value: number for number, value in reversed(list(enumerate(map(key, found.kinds))))}
    return sorted(usual, key=lambda value: order[value])  # the order in the files: usually melody to bass


def _one_program(found: Survey, file: NDArray[np.int64], kind: NDArray[np.int64], music: NDArray[np.bool_]) -> bool:
    """Return whether several pitched parts share one program in most files."""
    programs: dict[int, set[int]] = defaultdict(set)
    channels: dict[int, set[int]] = defaultdict(set)
    for number, where in zip(kind.tolist(), file.tolist(), strict=True):
        if music[number]:
            programs[where].add(found.kinds[number].program)
            channels[where].add(found.kinds[number].channel)
    alike = sum(len(programs[where]) == 1 < len(channels[where]) for where in programs)
    return alike > 0.5 * found.files


def _named_track(found: Survey, rule: str, value: str, key: _Key) -> Track:
    if rule == "channel":
        return Track(f"Channel {value}", 0, channels=(int(value),))
    spelled: Counter[str] = Counter()
    for one, count in zip(found.kinds, np.bincount(np.array(found.kind)).tolist(), strict=True):
        if key(one) == value:
            spelled[" ".join(one.name.split())] += count
    name = spelled.most_common(1)[0][0] or value
    name = name.title() if name.isupper() or name.islower() else name
    return Track(name, 0, parts=() if name_key(name) == value else (exact_name(value),))


def _groups(
    found: Survey, file: NDArray[np.int64], kind: NDArray[np.int64], rest: NDArray[np.bool_], room: int
) -> dict[Group, str]:
    """Group the families of the remaining parts; return the groups with their names."""
    files: dict[int, set[int]] = defaultdict(set)
    notes: Counter[int] = Counter()
    for number, where, count in zip(kind.tolist(), file.tolist(), found.notes, strict=True):
        if rest[number]:
            files[_family(found.kinds[number])].add(where)
            notes[_family(found.kinds[number])] += count
    concerned = len(set().union(*files.values()))
    if concerned < _RARE_SOUNDS * found.files:
        concerned = found.files
    groups = group_families(files, max(1, round(_RARE * concerned)), room)
    return {group: group_name(group, notes) for group in groups}


def _distinct(tracks: list[Track], named: list[Track]) -> list[Track]:
    """Number the names of tracks that occur twice."""
    taken = {name_key(track.name) for track in named}
    result = []
    for track in tracks:
        name, number = track.name, 2
        while name_key(name) in taken:
            name, number = f"{track.name} {number}", number + 1
        taken.add(name_key(name))
        result.append(replace(track, name=name))
    return result


def _with_sounds(rough: TrackSet, fit: Fit) -> TrackSet:
    """Return the set with the program and pitch range that each track has in the files."""
    tracks, lowest, highest = [], _TOP, 0
    for track, pitches, programs in zip(rough.tracks, fit.pitches, fit.programs, strict=True):
        share = np.cumsum(pitches) / pitches.sum()
        low, high = (int(np.searchsorted(share, edge)) for edge in (_TAIL, 1 - _TAIL))
        lowest, highest = min(lowest, low), max(highest, high)
        if track.is_drum:
            tracks.append(track)
        else:
            tracks.append(replace(track, program=int(programs.argmax()), low=low, high=high))
    base = min(lowest, _TOP) // _OCTAVE * _OCTAVE
    top = max(base, min(highest, _TOP)) // _OCTAVE * _OCTAVE + _OCTAVE - 1
    inside = tuple(t if t.is_drum else replace(t, low=min(t.low, top), high=min(t.high, top)) for t in tracks)
    return replace(rough, tracks=inside, low=base, pitches=top - base + 1)
