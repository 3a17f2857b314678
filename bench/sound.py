"""The synthesiser's speed on phrases, its loudness and peaks; and beside FluidSynth, where that is installed.

python bench/sound.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np

from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.midi.song import NOTE, TEMPO, Song, table
from bgmusic.music.sound import render
from bgmusic.music.sound.fluidsynth import fluidsynth_path
from bgmusic.music.sound.loudness import integrated_loudness

RATE = 44_100
# The programs of lpd-5, lpd-8 and satb, and others of each family.
PROGRAMS = (0, 4, 16, 24, 25, 32, 33, 38, 40, 48, 52, 56, 64, 73, 80, 81, 88, 90)
DRUMS = (36, 38, 42, 45, 46, 49, 51)
Sound = np.ndarray


def phrases() -> None:
    for name in ("bach", "freedoom"):
        corpus = open_corpus(name)
        seconds, lengths, loudness, peaks = [], [], [], []
        for number in range(0, 2400, 80):
            roll, bpm = corpus.roll(number), corpus.info(number).bpm
            start = time.process_time()
            audio = render(roll, bpm=bpm)
            seconds.append(time.process_time() - start)
            lengths.append(len(audio) / RATE)
            loudness.append(integrated_loudness(audio, RATE))
            peaks.append(20 * np.log10(np.abs(audio).max()))
        print(
            f"{name}: {len(seconds)} phrases of four bars, CPU seconds median {np.median(seconds):.2f}, most "
            f"{max(seconds):.2f}; {np.sum(lengths) / np.sum(seconds):.0f} times as fast as it sounds; loudness "
            f"{min(loudness):.2f} to {max(loudness):.2f} LUFS; highest peak {max(peaks):.2f} dB"
        )


def features(audio: Sound) -> tuple[float, np.ndarray]:
    """The level of the first second, and that of its octaves from 40 Hz, in dB."""
    mono = audio[:RATE].sum(axis=1)
    power = np.abs(np.fft.rfft(mono * np.hanning(len(mono)))) ** 2
    octave = np.log2(np.maximum(np.fft.rfftfreq(len(mono), 1 / RATE), 1) / 40)
    bands = np.array([power[(octave >= low) & (octave < low + 1)].sum() for low in range(9)])
    return float(10 * np.log10(np.mean(mono**2) + 1e-12)), 10 * np.log10(bands + 1e-9)


def beside_fluidsynth() -> None:
    kinds = [(program, False, pitch) for program in PROGRAMS for pitch in (36, 48, 60, 72)]
    kinds += [(0, True, pitch) for pitch in DRUMS]
    levels, octaves = [], []
    for program, is_drum, pitch in kinds:
        note = Song(480, table(NOTE, [(0, 960, pitch, 100, program, is_drum, 0)]), table(TEMPO, [(0, 120.0)]))
        (ours, our_bands), (theirs, their_bands) = (
            features(render(note, RATE, reverb=0, loudness=None, synth=synth)) for synth in ("builtin", "fluidsynth")
        )
        heard = their_bands > their_bands.max() - 35
        levels.append(ours - theirs)
        octaves.append(np.abs(our_bands - their_bands - (ours - theirs))[heard].mean())
    print(
        f"{len(kinds)} notes beside FluidSynth's: level {np.mean(levels):+.1f} dB (the gains), standard deviation "
        f"{np.std(levels):.2f}; heard octaves differ by {np.mean(octaves):.2f} dB, at most {np.max(octaves):.1f}"
    )


if __name__ == "__main__":
    phrases()
    if fluidsynth_path():
        beside_fluidsynth()
    else:
        print("FluidSynth is not installed: no comparison")
