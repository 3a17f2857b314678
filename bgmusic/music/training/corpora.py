"""The corpus of a training: how a run records it, and how a resumed run finds it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bgmusic.errors import UserError
from bgmusic.music.corpora.corpus import Corpus, embedded_corpora, open_corpus


def place_of(data: str, corpus: Corpus) -> str:
    """Return the name of an embedded corpus, else the absolute path: embedded ones lie elsewhere on other machines."""
    return data if data in embedded_corpora() else str(corpus.path.resolve())


def open_again(run: str | Path, places: dict[str, Any], data: str | None = None) -> Corpus:
    """Open the corpus that a run was trained on.

    Args:
        run: the run folder, for the message.
        places: the run's environment.
        data: the corpus's new folder, if it was moved.

    Raises:
        UserError: the corpus is missing, or is not the one that the run was trained on.

    """
    try:
        corpus = open_corpus(data or str(places.get("data", "")))
    except UserError as error:
        if data is not None:
            raise
        raise UserError(f"{error}; if the corpus of {run} was moved, give its folder by --data") from None
    if places.get("corpus", corpus.fingerprint) != corpus.fingerprint:
        raise UserError(f"{corpus.path} is not the corpus that {run} was trained on: its files or settings differ")
    return corpus
