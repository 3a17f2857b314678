"""Group General MIDI programs to few tracks: families of 8 programs, rare ones merged with the most similar."""

from __future__ import annotations

from collections.abc import Mapping

FAMILIES = (
    *("Piano", "Mallets", "Organ", "Guitar", "Bass", "Solo Strings", "Ensemble", "Brass"),
    *("Reed", "Pipe", "Synth Lead", "Synth Pad", "Synth Effects", "Ethnic", "Percussive", "Sound Effects"),
)
NO_MUSIC = (14, 15)  # families that are left out, as in the Lakh Pianoroll Dataset: their pitches mean little

# Families that sound alike are near each other: a number is a family, the text names the group.
_TREE = (
    "Others",
    ("Band", ("Keys", 0, ("Keys", 1, 2)), ("Guitar and Bass", ("Plucked", 3, 13), 4)),
    ("Orchestra and Synth", ("Orchestra", ("Strings", 5, 6), ("Winds", 7, ("Woodwinds", 8, 9))), ("Synth", 10, 11, 12)),
)
_DOMINANT = 0.85  # share of a group's notes; a family with more names the group

Group = tuple[int, ...]  # families, ascending


def programs_of(group: Group) -> tuple[int, ...]:
    """Return the programs of a group of families."""
    return tuple(8 * family + number for family in group for number in range(8))


def group_families(files: Mapping[int, set[int]], least: int, most: int) -> list[Group]:
    """Merge families until each group is in ``least`` files or more, and there are at most ``most`` groups.

    Args:
        files: the files in which each family plays.
        least: smallest number of files of a group, while there are several groups.
        most: largest number of groups.

    Returns:
        The groups, in order of their first families; families of ``NO_MUSIC`` only if there is nothing else.

    """
    present = [family for family in sorted(files) if files[family]]
    present = [family for family in present if family not in NO_MUSIC] or present
    groups: dict[Group, set[int]] = {(family,): files[family] for family in present}
    while len(groups) > 1:
        rarest = min(groups, key=lambda group: (len(groups[group]), group))
        if len(groups) <= most and len(groups[rarest]) >= least:
            break
        others = [group for group in groups if group != rarest]
        nearest = max(others, key=lambda group: (_kinship(rarest, group), len(groups[group])))
        joined = groups.pop(rarest) | groups.pop(nearest)
        groups[tuple(sorted((*rarest, *nearest)))] = joined
    return sorted(groups)


def group_name(group: Group, notes: Mapping[int, int]) -> str:
    """Name a group: by the family with nearly all of its notes, else by what its families have in common."""
    total = sum(notes.get(family, 0) for family in group)
    largest = max(group, key=lambda family: notes.get(family, 0))
    if len(group) == 1 or notes.get(largest, 0) >= _DOMINANT * total:
        return FAMILIES[largest]
    return _common(group)[0]


def _kinship(one: Group, other: Group) -> int:
    """Return how closely two groups are related: the depth of the smallest branch that holds both."""
    return _common((*one, *other))[1]


def _common(group: Group) -> tuple[str, int]:
    """Return the name and the depth of the smallest branch of the tree that holds all families of a group."""
    branch: tuple[object, ...] = _TREE
    depth = 0
    while True:
        inner = [b for b in branch[1:] if isinstance(b, tuple) and set(group) <= _leaves(b)]
        if not inner:
            return str(branch[0]), depth
        branch, depth = inner[0], depth + 1


def _leaves(branch: tuple[object, ...]) -> set[int]:
    inner = [_leaves(b) if isinstance(b, tuple) else {b} for b in branch[1:] if isinstance(b, (int, tuple))]
    return {leaf for leaves in inner for leaf in leaves}
