"""Load chorale phrases as tokens, and save tokens as MIDI; shared by the examples on Bach.

A phrase is ``(64, 4)``: 4 bars of 16 steps, 4 voices. A token is 0 for silence, 1 for a held note, and 2 + row for the
onset of a note.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic import Roll, open_corpus

SILENCE, HOLD, FIRST = 0, 1, 2
VOICES, STEPS, PITCHES = 4, 64, 48
TOKENS = FIRST + PITCHES


def load(split: str) -> Tensor:
    """Return all phrases of a split of ``bach``, int64 ``(N, 64, 4)``."""
    corpus = open_corpus("bach")
    channels = corpus.loader(encoding="onset").phrases(corpus.indices(split))  # type: ignore[arg-type]
    cells, onsets = channels.flatten(2, 3).chunk(2, dim=1)  # (N, 4, 64, 48) each
    onsets = onsets.clone()
    onsets[:, :, 0] = cells[:, :, 0]  # a note held from before the phrase starts at its first step
    tokens = torch.where(onsets.any(-1), FIRST + onsets.argmax(-1), torch.where(cells.any(-1), HOLD, SILENCE))
    return tokens.transpose(1, 2).contiguous()


def save(path: Path, tokens: Tensor) -> None:
    """Write one phrase ``(64, 4)`` as MIDI; a hold after silence is silence."""
    cells = np.zeros((VOICES, STEPS, PITCHES), np.bool_)
    onsets = np.zeros_like(cells)
    for voice in range(VOICES):
        pitch = None
        for step, token in enumerate(tokens[:, voice].tolist()):
            if token == SILENCE:
                pitch = None
            elif token != HOLD:
                pitch = token - FIRST
                onsets[voice, step, pitch] = True
            if pitch is not None:
                cells[voice, step, pitch] = True
    corpus = open_corpus("bach")
    shape = (VOICES, 4, 16, PITCHES)
    Roll(corpus.track_set, corpus.resolution, cells.reshape(shape), onsets.reshape(shape)).save(path, bpm=80)


def unigram(train: Tensor, test: Tensor) -> float:
    """Return the nats per token of ``test`` under each voice's token frequencies in ``train``: a baseline."""
    counts = F.one_hot(train, TOKENS).sum((0, 1)) + 1.0
    log = (counts / counts.sum(1, keepdim=True)).log()
    return -float(log.gather(1, test.flatten(0, 1).T).mean())
