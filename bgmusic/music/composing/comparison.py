"""Compare music from any source with the held-out pieces of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.gan.generate import Progress
from bgmusic.music.composing import phrase_sources
from bgmusic.music.corpora.corpus import Corpus
from bgmusic.music.judging.evaluation import evaluate
from bgmusic.music.judging.results import Evaluation
from bgmusic.music.rolls.joining import cut_roll
from bgmusic.music.rolls.phrases import Phrases, stack_rolls
from bgmusic.music.rolls.roll import Roll
from bgmusic.training.lookup import is_run


def compare(
    source: Path | Phrases,
    corpus: Corpus,
    number: int,
    seed: int = 0,
    binarize: str = "ht",
    progress: Progress | None = None,
    judged: bool = False,
    jobs: int = 1,
) -> tuple[Evaluation, Phrases]:
    """Evaluate phrases against the held-out pieces of a corpus.

    Args:
        source: phrases, or the path of a run, an npz, MIDI files or a corpus. Of the corpus itself, half of the
            training pieces are compared, and the other half is the floor.
        corpus: what to compare with.
        number: number of phrases, at most, that are generated or read from a path.
        seed: seed of a run's phrases, of the two-sample test and of the bootstrap.
        binarize: ``ht`` or ``bs``, for a real-valued generator.
        progress: receives the number of phrases generated since the last call.
        judged: whether to add the learned judge.
        jobs: number of processes that generate; the result does not depend on it.

    Returns:
        The evaluation, and the phrases that were evaluated.

    Raises:
        UserError: the source holds no such phrases, or too few.
        OSError: a file can't be read.

    """
    itself = False
    if isinstance(source, Phrases):
        phrases = source
    elif is_run(source):
        phrases = phrase_sources.run_phrases(source, corpus, number, seed, binarize, progress, jobs)
    else:
        phrases = phrase_sources.open_phrases(source, corpus, number)
        itself = str(source) == corpus.path.name or source.resolve() == corpus.path.resolve()
    held_out, training = phrase_sources.held_out(corpus), phrase_sources.training(corpus, half=itself)
    return evaluate(phrases, held_out, training, seed, judged), phrases


def cut_rolls(rolls: Sequence[Roll], corpus: Corpus) -> Phrases:
    """Cut rolls into phrases of the corpus's length; phrases of one roll count as one piece. A shorter rest is left.

    Raises:
        UserError: there are no rolls, or none is as long as a phrase.

    """
    if isinstance(rolls, Roll):
        raise TypeError("expected a list of rolls, not a single one")
    bars = corpus.settings.shape.bars
    phrases: list[Roll] = []
    pieces: list[int] = []
    for number, roll in enumerate(rolls):
        if not isinstance(roll, Roll):
            raise TypeError(f"expected rolls, not {type(roll).__name__}")
        for start in range(0, roll.bars - bars + 1, bars):
            phrases.append(cut_roll(roll, start, bars))
            pieces.append(number)
    if not phrases:
        raise UserError(f"no roll has the {bars} bars of a phrase of {corpus.path.name}")
    return stack_rolls(phrases, pieces)
