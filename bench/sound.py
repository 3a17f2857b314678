"""Measure the synthesizer: speed, loudness and peaks on phrases; differences from FluidSynth, if installed.

Run with: python bench/sound.py
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
# The programs of lpd-5, lpd-8 and satb, and others of each General MIDI family.
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
            f"{max(seconds):.2f}; {np.sum(lengths) / np.sum(seconds):.0f} times as fast as real time; loudness "
            f"{min(loudness):.2f} to {max(loudness):.2f} LUFS; highest peak {max(peaks):.2f} dB"
        )


def features(audio: Sound) -> tuple[float, np.ndarray]:
    """Return the level of the first second, and the levels of its octaves from 40 Hz, in dB."""
    mono = audio[:RATE].sum(axis=1)
    power = np.abs(np.fft.rfft(mono * np.hanning(len(mono)))) ** 2
    octave = np.log2(np.maximum(np.fft.rfftfreq(len(mono), 1 / RATE), 1) / 40)
    bands = np.array([power[(octave >= low) & (octave < low + 1)].sum() for low in range(9)])
    return float(10 * np.log10(np.mean(mono**2) + 1e-12)), 10 * np.log10(bands + 1e-9)


def compare_with_fluidsynth() -> None:
    kinds = [(program, False, pitch) for program in PROGRAMS for pitch in (36, 48, 60, 72)]
    kinds += [(0, True, pitch) for pitch in DRUMS]
    levels, octaves = [], []
    for program, is_drum, pitch in kinds:
        note = Song(480, table(NOTE, [(0, 960, pitch, 100, program, is_drum, 0)]), table(TEMPO, [(0, 120.0)]))
        (level, bands), (reference, reference_bands) = (
            features(render(note, RATE, reverb=0, loudness=None, synth=synth)) for synth in ("builtin", "fluidsynth")
        )
        audible = reference_bands > reference_bands.max() - 35
        levels.append(level - reference)
        octaves.append(np.abs(bands - reference_bands - (level - reference))[audible].mean())
    print(
        f"{len(kinds)} notes minus FluidSynth's: level {np.mean(levels):+.1f} dB (the gains), standard deviation "
        f"{np.std(levels):.2f} dB; audible octaves differ by {np.mean(octaves):.2f} dB, at most {np.max(octaves):.1f}"
    )


if __name__ == "__main__":
    phrases()
    if fluidsynth_path():
        compare_with_fluidsynth()
    else:
        print("FluidSynth is not installed: no comparison")
