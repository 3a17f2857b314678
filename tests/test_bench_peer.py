"""The transformer of ``bench/peer``: items keep the notes, predictions see only the past, samples are phrases."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.phrases import corpus_phrases


@pytest.fixture(scope="module")
def peer_modules():
    """The modules of ``bench/peer``, which import each other by name."""
    folder = str(Path(__file__).parent.parent / "bench" / "peer")
    sys.path.insert(0, folder)
    try:
        import train
        import trunk

        yield train, trunk
    finally:
        sys.path.remove(folder)
        for name in ("train", "trunk", "voices", "events"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["bach", "freedoom"])
def test_items_keep_the_notes_and_predictions_see_only_the_past(peer_modules, name):
    train, trunk = peer_modules
    corpus = open_corpus(name)
    language = train.language_of(corpus)
    assert type(language).__name__ == {"bach": "Voices", "freedoom": "Events"}[name]
    phrases = corpus_phrases(corpus, np.arange(0, 60, 15))
    items, mask = language.encode(phrases)
    decoded = language.decode(items)
    assert (decoded.cells != (phrases.cells | phrases.onsets)).mean() < 1e-4
    assert (decoded.onsets != phrases.onsets).mean() < 1e-4
    back, _ = language.encode(decoded)
    assert torch.equal(back, items)
    assert torch.equal(language.transpose(language.transpose(items, 1), -1), items)
    peer = trunk.Peer(language.fields, language.contexts).eval()
    contexts = language.context(items)
    assert torch.equal(contexts[:, :21], language.context(items[:, :20]))
    changed = items.clone()
    changed[:, 20:] = 0
    with torch.no_grad():
        before, after = (peer(some, language.context(some)[:, : some.shape[1]])[0][:, :20] for some in (items, changed))
        torch.testing.assert_close(before, after)
        nats = train.loss_of(peer, language, items, mask)
    assert nats.shape == items.shape
    assert (nats[~mask] == 0).all()
    assert language.notes(items).any()


def test_samples_are_phrases_of_the_corpus(peer_modules):
    train, trunk = peer_modules
    corpus = open_corpus("bach")
    language = train.language_of(corpus)
    torch.manual_seed(0)
    peer = trunk.Peer(language.fields, language.contexts).eval()
    phrases = train.sample(peer, language, 3, 0.9, seed=1, batch=2)
    phrases.require_like(corpus_phrases(corpus, np.arange(1)), "bach")
    assert len(phrases) == 3
