"""Summarize a corpus as lines of text, from its meta.json."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bgmusic.music.corpora.split import SPLITS, assign_splits
from bgmusic.plurals import count_of

MOST_SKIPPED = 12
_SMALLER_SHARES = (0.05, 0.03, 0.02, 0.01)  # of validation and of test
_LOSSES = (
    ("no_track", "without a track"),
    ("out_of_range", "out of range"),
    ("merged", "merged with another"),
    ("beyond", "too late"),
)


def describe_corpus(meta: dict[str, Any]) -> list[str]:
    """Return a summary of a corpus: phrases, tracks, splits, losses and skipped files, a line each.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: ``meta`` is not the content of a corpus's meta.json.

    """
    settings, counts = meta["settings"], meta["counts"]
    n, d = settings["metre"]
    metre = f"any metre as long as {n}/{d}" if settings.get("any_metre") else f"{n}/{d}"
    tracks = ", ".join(track["name"] for track in settings["track_set"]["tracks"])
    splits = ", ".join(
        f"{name} {c['phrases']} of {count_of(c['pieces'], 'piece')}" for name, c in counts["splits"].items()
    )
    lines = [
        f"phrases: {counts['phrases']} of {count_of(settings['bars'], 'bar')} of {metre}, hop {settings['hop']}, "
        f"from {count_of(counts['pieces'], 'piece')}",
        f"tracks: {tracks} ({settings['track_set']['name']}), "
        f"{count_of(settings['resolution'], 'step')} per beat, "
        f"encoding {settings['encoding']}",
        *(["pedal: notes last as they sound under the sustain pedal"] if settings.get("pedal") else []),
        f"splits: {splits}",
        *_held_out(meta),
        *_small_training(meta),
        _duplicates(counts["pieces_with_duplicates"]),
        *_losses(meta["losses"]),
    ]
    if meta["skipped"]:
        lines.append(f"skipped: {count_of(counts['skipped'], 'file')}")
        lines += [f"  {skipped['name']}: {skipped['skipped']}" for skipped in meta["skipped"][:MOST_SKIPPED]]
        if len(meta["skipped"]) > MOST_SKIPPED:
            lines.append("  ... all are listed in meta.json")
        if others := sum(skipped_for_metre(skipped["skipped"]) for skipped in meta["skipped"]):
            advice = "bgmusic data check says which --metre takes them"
            lines.append(f"  {count_of(others, 'file')} in other metres: {advice}")
    if meta["ignored_files"]:
        kinds = Counter(meta["ignored_files"]).most_common(8)
        ignored = (f"{count_of(count, 'file')} {suffix}" for suffix, count in kinds)
        lines.append(f"ignored, not music: {', '.join(ignored)}")
    return lines


def skipped_for_metre(reason: str) -> bool:
    """Return whether a file was skipped for its metre, by the reason that ``piece.read_piece`` gives."""
    return reason.startswith("it has no ") and " (bars: " in reason


def _duplicates(pieces: int) -> str:
    return f"duplicates: {count_of(pieces, 'piece')} {'shares' if pieces == 1 else 'share'} phrases with another piece"


def _held_out(meta: dict[str, Any]) -> list[str]:
    """Warn when the corpus has no held-out phrases, with what gives it some."""
    splits, pieces = meta["counts"]["splits"], meta["pieces"]
    if any(splits.get(name, {}).get("phrases") for name in ("validation", "test")):
        return []
    advice = []
    if len({piece["group"] for piece in pieces}) < 2:
        shared = "its pieces share phrases, so they stay in one split" if len(pieces) > 1 else "it has a single piece"
        advice.append(f"{shared}: add another file")
    if not any(meta["settings"]["shares"][1:]):
        advice.append("give them a share: --splits 0.8,0.1,0.1")
    # A corpus of version 0.1.0 may lack held-out pieces although it has enough of both.
    todo = ", and ".join(advice) or "build the corpus again"
    return [f"warning: no held-out phrases, which evaluate and report need: {todo}"]


def _small_training(meta: dict[str, Any]) -> list[str]:
    """Warn when chance left fewer pieces to the training split than to another, with shares that mend it."""
    shares, pieces = meta["settings"]["shares"], meta["pieces"]
    counts = Counter(piece["split"] for piece in pieces)
    largest = max(SPLITS[1:], key=lambda name: counts[name])
    if counts["train"] >= counts[largest] or shares[0] <= max(shares[1:]):
        return []
    smallest: dict[int, str] = {}
    for piece in pieces:
        smallest[piece["group"]] = min(smallest.get(piece["group"], piece["sha256"]), piece["sha256"])
    advice = "add files"
    for held_out in _SMALLER_SHARES:
        other = 1 - 2 * held_out, held_out, held_out
        splits, _ = assign_splits(smallest, other)
        moved = Counter(splits[piece["group"]] for piece in pieces)
        if moved["train"] >= max(moved["validation"], moved["test"]):
            advice += f", or give --splits {other[0]:g},{held_out:g},{held_out:g}"
            break
    few = f"{count_of(counts['train'], 'piece')} to train on, {counts[largest]} in the {largest} split"
    return [f"warning: {few}: {advice}"]


def _losses(losses: dict[str, Any]) -> list[str]:
    notes, kept = losses.get("notes", 0), losses.get("kept", 0)
    reasons = ", ".join(f"{losses[name]} {text}" for name, text in _LOSSES if losses.get(name))
    lost = f"notes: {kept} of {notes} kept" + (f" (lost: {reasons})" if reasons else "")
    annotations = f"; {losses['annotations']} of annotations, not counted" if losses.get("annotations") else ""
    return [
        f"{lost}; {losses.get('moved', 0)} moved to the nearest step{annotations}",
        f"lost by encoding: onset {losses['onset_encoding']:.2%}, pause {losses['pause_encoding']:.2%} of them",
    ]
