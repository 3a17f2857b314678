"""Find the settings of metre that take files in which a corpus finds no bars of its own metre."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bgmusic.music.corpora.metres import most_frequent, phrases_by_metre
from bgmusic.music.corpora.settings import Settings
from bgmusic.music.midi.song import Song
from bgmusic.music.rolls.metre import steps_per_bar
from bgmusic.plurals import count_of

_MOST = 4  # metres that are named


@dataclass(frozen=True)
class MetreFit:
    """The metres in which one song has enough bars in a row for a phrase, whatever plays in them.

    Attributes:
        fits: whether it has them in the metre of the settings.
        joins: whether it has them when shorter bars are joined to bars of that metre.
        metres: number of phrases of each metre.

    """

    fits: bool
    joins: bool
    metres: Counter[tuple[int, int]]

    def has(self, steps: int, resolution: int) -> bool:
        """Return whether the song has phrases with bars of ``steps`` steps."""
        return any(n * 4 * resolution == steps * d for n, d in self.metres)


def metre_fit(song: Song, settings: Settings) -> MetreFit:
    """Find the metres in which a song has phrases.

    Raises:
        UserError: none of its notes fits the grid, or its parts don't fit the track set.

    """
    fits = _has_phrase(song, settings)
    joinable = settings.metre is not None and not settings.join
    joins = fits or (joinable and _has_phrase(song, replace(settings, join=True)))
    return MetreFit(fits, joins, phrases_by_metre(song, settings))


def _has_phrase(song: Song, settings: Settings) -> bool:
    return any(stop - start >= settings.shape.bars for start, stop in settings.runs(settings.quantise(song)))


def metre_advice(fits: Sequence[MetreFit], settings: Settings) -> str | None:
    """Say in one line how many songs lack bars of the settings' metre in a row, and which options take more of them.

    Args:
        fits: the fit of each song.
        settings: the settings of the corpus.

    Returns:
        The line; None if every song has such bars.

    """
    total, left = len(fits), [fit for fit in fits if not fit.fits]
    if not left:
        return None
    resolution = settings.shape.resolution
    counts = {"--join": sum(fit.joins for fit in fits)}
    if settings.metre is not None:
        steps = steps_per_bar(_commonest(fits, resolution), resolution)
        counts["--metre any"] = sum(fit.has(steps, resolution) for fit in fits)
    ways = [
        f"{option} takes {'it' if total == 1 else f'{count} of the {total}'}"
        for option, count in counts.items()
        if count > total - len(left)
    ]
    others = Counter("{}/{}".format(*_commonest([fit], resolution)) for fit in left if fit.metres).most_common()
    if others and not ways:
        named = ", ".join(f"{metre} ({count})" for metre, count in others[:_MOST])
        own = f"for a corpus of their own give --metre {others[0][0]}, which files without a time signature take, too"
        ways = [f"their metres: {named}; {own}"]
    which = "the file has" if total == 1 else f"{len(left)} of {total} files {'has' if len(left) == 1 else 'have'}"
    row = f"{count_of(settings.shape.bars, 'bar')} of {settings.metre_name}" + " in a row" * (settings.shape.bars > 1)
    return "; ".join([f"metre: {which} no {row}", *ways])


def _commonest(fits: Sequence[MetreFit], resolution: int) -> tuple[int, int]:
    return most_frequent(sum((fit.metres for fit in fits), Counter()), resolution)
