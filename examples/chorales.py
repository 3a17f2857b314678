"""What the Bach examples share: chorale phrases as tokens, and tokens as MIDI.

A phrase is ``(64, 4)``: 4 bars of 16 steps, 4 voices. A token is 0 for silence, 1 for a note held on, and 2 + row for a
note that begins on a pitch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.rolls.midi_files import write_midi
from bgmusic.music.rolls.roll import Roll

SILENCE, HOLD, FIRST = 0, 1, 2
VOICES, STEPS, PITCHES = 4, 64, 48
TOKENS = FIRST + PITCHES


def load(split: str) -> Tensor:
    """All phrases of a split of ``bach``, int64 ``(N, 64, 4)``."""
    corpus = open_corpus("bach")
    channels = corpus.loader(encoding="onset").phrases(corpus.indices(split))  # type: ignore[arg-type]
    cells, onsets = channels.flatten(2, 3).chunk(2, dim=1)  # (N, 4, 64, 48) each
    onsets = onsets.clone()
    onsets[:, :, 0] = cells[:, :, 0]  # a note that the cut interrupts begins anew
    tokens = torch.where(onsets.any(-1), FIRST + onsets.argmax(-1), torch.where(cells.any(-1), HOLD, SILENCE))
    return tokens.transpose(1, 2).contiguous()


def save(path: Path, tokens: Tensor) -> None:
    """Write one phrase ``(64, 4)`` as MIDI; a hold after silence is silence."""
    cells = np.zeros((VOICES, STEPS, PITCHES), np.bool_)
    onsets = np.zeros_like(cells)
    for voice in range(VOICES):
        sounding = None
        for step, token in enumerate(tokens[:, voice].tolist()):
            if token == SILENCE:
                sounding = None
            elif token != HOLD:
                sounding = token - FIRST
                onsets[voice, step, sounding] = True
            if sounding is not None:
                cells[voice, step, sounding] = True
    corpus = open_corpus("bach")
    shape = (VOICES, 4, 16, PITCHES)
    write_midi(Roll(corpus.track_set, corpus.resolution, cells.reshape(shape), onsets.reshape(shape)), path, bpm=80)


def unigram(train: Tensor, test: Tensor) -> float:
    """Nats a token that each voice's token frequencies of ``train`` need for ``test``: what any model must beat."""
    counts = F.one_hot(train, TOKENS).sum((0, 1)) + 1.0
    log = (counts / counts.sum(1, keepdim=True)).log()
    return -float(log.gather(1, test.flatten(0, 1).T).mean())
