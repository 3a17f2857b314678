"""Write a proposed track set as YAML with comments, to be edited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from bgmusic.music.corpora.families import FAMILIES
from bgmusic.music.corpora.propose import Proposal
from bgmusic.music.corpora.sources.base import printable
from bgmusic.music.corpora.survey import BAR
from bgmusic.music.rolls.number_ranges import format_ranges
from bgmusic.music.rolls.part_names import name_key
from bgmusic.music.rolls.tracks import Track, TrackSet

_NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MOST_NAMED = 8
_LEAST_SHARE = 0.01


def proposal_yaml(proposal: Proposal) -> str:
    """Return the track set as YAML: its keys, and comments on what the files hold. ``TrackSet.load`` reads it."""
    track_set, fit = proposal.track_set, proposal.fit
    total = int(fit.pitches.sum()) + sum(fit.left_out.values())
    lines = [
        f"# Proposed for {_files(proposal.survey.files)} with {total:,} notes. Edit it, then build a corpus:",
        "#   bgmusic data build SOURCE... --tracks THIS_FILE --out CORPUS",
        f"# {_rule(track_set)}",
        *(f"# {line}" for line in _losses(proposal, total)),
        f"name: {_flow(track_set.name)}",
        f"by: {_flow(track_set.by if isinstance(track_set.by, str) else list(track_set.by))}",
        f"low: {track_set.low}  # {note_name(track_set.low)}, the lowest row",
        f"pitches: {track_set.pitches}  # up to {note_name(track_set.high)}",
    ]
    if track_set.annotations:
        lines += [
            f"# Block chords beside a polyphonic part: labels, not music ({fit.annotations:,} notes). To learn one as "
            "music, make it a track.",
            f"annotations: {_flow(list(track_set.annotations))}",
        ]
    lines.append("tracks:")
    for number, track in enumerate(track_set.tracks):
        lines += [f"  # {_about(proposal, number, total)}", f"  - {_flow(_values(track, track_set))}"]
    return "\n".join(lines) + "\n"


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def _rule(track_set: TrackSet) -> str:
    texts = {
        "name": "by the name of their part (`parts`: further names, with the wildcards * and ?)",
        "channel": "by MIDI channel (`channels`)",
        "program": "by General MIDI program (`programs`), percussion to the drum track",
    }
    return "Notes are assigned " + "; then ".join(texts[rule] for rule in track_set.rules) + "."


def _losses(proposal: Proposal, total: int) -> Iterable[str]:
    fit, track_set = proposal.fit, proposal.track_set
    lost = sum(fit.left_out.values())
    if lost:
        parts: dict[str, int] = {}
        for (name, program, is_drum), count in fit.left_out.items():
            sound = "percussion" if is_drum else FAMILIES[program // 8]
            label = f"{printable(name)[:40]} ({sound})" if "name" in track_set.rules and name else sound
            parts[label] = parts.get(label, 0) + count
        most = sorted(parts, key=lambda label: -parts[label])
        more = " and more" if len(most) > _MOST_NAMED else ""
        named = ", ".join(f"{label} {parts[label]:,}" for label in most[:_MOST_NAMED]) + more
        yield f"Left out, without a track: {lost:,} notes ({lost / total:.1%}): {named}."
    outside = sum(
        int(row.sum() - row[_low(t, track_set) : _high(t, track_set) + 1].sum())
        for t, row in zip(track_set.tracks, _rows(proposal), strict=True)
    )
    if outside:
        yield f"Left out, outside the pitch range of their track: {outside:,} notes ({outside / total:.2%})."
    if proposal.unused:
        names = ", ".join(printable(name)[:40] for name in proposal.unused[:_MOST_NAMED])
        more = " and more" if len(proposal.unused) > _MOST_NAMED else ""
        yield f"Names that many files share: {names}{more}. For tracks of their own, give --most {proposal.needed}."
    unusable = proposal.survey.unusable
    if unusable:
        yield f"Not read: {_files(len(unusable))}, such as {unusable[0][0]} ({' '.join(unusable[0][1].split())[:100]})."


def _low(track: Track, track_set: TrackSet) -> int:
    return max(track.low, track_set.low)


def _high(track: Track, track_set: TrackSet) -> int:
    return min(track.high, track_set.high)


def _rows(proposal: Proposal) -> list[NDArray[np.int64]]:
    return list(proposal.fit.pitches)


def _about(proposal: Proposal, number: int, total: int) -> str:
    """Describe a track: in how many files, its notes, its pitches, and with which tracks it plays."""
    fit, tracks = proposal.fit, proposal.track_set.tracks
    row = fit.pitches[number]
    share = np.cumsum(row) / row.sum()
    low, middle, high = (int(np.searchsorted(share, edge)) for edge in (0.05, 0.5, 0.95))
    text = f"{fit.files[number]:,} of {_files(proposal.survey.files)}, {row.sum() / total:.0%} of the notes"
    if not tracks[number].is_drum:
        text += f", most from {note_name(low)} to {note_name(high)} (median {note_name(middle)})"
    plays = fit.together[number, number]
    text += f"; plays in {plays / fit.bars:.0%} of the bars of {BAR} beats"
    others = sorted((n for n in range(len(tracks)) if n != number), key=lambda n: -fit.together[number, n])
    shares = [(printable(tracks[n].name), fit.together[number, n] / plays) for n in others[:4]]
    named = [f"{name} {share:.0%}" for name, share in shares if share >= _LEAST_SHARE]
    return text + (f", in these: {', '.join(named)}" if named else "")


def _values(track: Track, track_set: TrackSet) -> dict[str, Any]:
    values: dict[str, Any] = {"name": track.name, "program": track.program}
    if track.is_drum:
        return values | {"is_drum": True}
    if track.programs:
        values["programs"] = format_ranges(track.programs)
    if track.channels:
        values["channels"] = format_ranges(track.channels)
    if track.low > track_set.low:
        values["low"] = track.low
    if track.high < track_set.high:
        values["high"] = track.high
    parts = [part for part in track.parts if name_key(part) != name_key(track.name)]
    return values | ({"parts": parts} if parts else {})


def _flow(value: Any) -> str:
    """Write a value as YAML on one line; untrusted names are escaped."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=False, width=100_000)
    return text.removesuffix("...\n").strip()


def note_name(pitch: int) -> str:
    """Return the name of a MIDI pitch: 60 is "C4"."""
    return f"{_NOTES[pitch % 12]}{pitch // 12 - 1}"
