"""What a corpus is, in words."""

from __future__ import annotations

from collections import Counter
from typing import Any


def describe_corpus(meta: dict[str, Any]) -> list[str]:
    """Lines about a corpus, from what its meta.json says."""
    settings, counts = meta["settings"], meta["counts"]
    n, d = settings["metre"]
    tracks = ", ".join(track["name"] for track in settings["track_set"]["tracks"])
    splits = ", ".join(f"{name} {c['phrases']} of {c['pieces']} pieces" for name, c in counts["splits"].items())
    lines = [
        f"phrases: {counts['phrases']} of {settings['bars']} bars of {n}/{d}, hop {settings['hop']}, "
        f"from {counts['pieces']} pieces",
        f"tracks: {tracks} ({settings['track_set']['name']}), {settings['resolution']} steps a beat, "
        f"encoding {settings['encoding']}",
        f"splits: {splits}",
        *_held_out(counts["splits"]),
        f"duplicates: {counts['pieces_with_duplicates']} pieces have another that shares phrases",
        *_losses(meta["losses"]),
    ]
    if meta["skipped"]:
        lines.append(f"left out: {counts['skipped']} files")
        lines += [f"  {skipped['name']}: {skipped['skipped']}" for skipped in meta["skipped"][:MOST_SKIPPED]]
        if len(meta["skipped"]) > MOST_SKIPPED:
            lines.append("  ... meta.json names all")
    if meta["ignored_files"]:
        kinds = Counter(meta["ignored_files"]).most_common(8)
        lines.append("no music: " + ", ".join(f"{count} files {suffix}" for suffix, count in kinds))
    return lines


def _held_out(splits: dict[str, Any]) -> list[str]:
    if any(splits.get(name, {}).get("phrases") for name in ("validation", "test")):
        return []
    return ["held out: nothing, and evaluate and report need pieces that no training saw: more files, or --splits"]


MOST_SKIPPED = 12
_REASONS = (
    ("no_track", "without a track"),
    ("out_of_range", "out of range"),
    ("merged", "merged with another"),
    ("beyond", "too late"),
)


def _losses(losses: dict[str, Any]) -> list[str]:
    notes, kept = losses.get("notes", 0), losses.get("kept", 0)
    why = ", ".join(f"{losses[name]} {text}" for name, text in _REASONS if losses.get(name))
    lost = f"notes: {kept} of {notes}" + (f" ({why})" if why else "")
    return [
        f"{lost}; {losses.get('moved', 0)} moved to the nearest step",
        f"lost by encoding: onset {losses['onset_encoding']:.2%}, pause {losses['pause_encoding']:.2%} of them",
    ]
