"""Render songs and rolls as audio."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import PLAYABLE_BPM, Song
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.sound.checks import Audio, check_rate
from bgmusic.music.sound.fluidsynth import fluidsynth_path, play
from bgmusic.music.sound.loudness import LOUDNESS, master
from bgmusic.music.sound.presets import Soundfont
from bgmusic.music.sound.reverb import DEFAULT_REVERB, add_reverb
from bgmusic.music.sound.soundfont import check_header, default_soundfont
from bgmusic.music.sound.timing import TimedNotes, timed_notes
from bgmusic.music.sound.voices import CHOKE, Voice, allocate_voices
from bgmusic.music.sound.waveform import make_wave, pan_of, release_curve

Synth = Literal["auto", "builtin", "fluidsynth"]

DEFAULT_RATE = 44_100
RATES = (8_000, 96_000)
MAX_SAMPLES = 20 * 60 * 48_000  # of a piece: 460 MB
MAX_TAIL = 5.0  # seconds after the end of the last note
_MAX_WORK = 4 * 3600.0  # seconds of distinct waveforms: 1 to 2 minutes of computing, ten times a symphony's
_MIN_RATE = 32_000  # lower rates are rendered at a multiple and decimated, against aliasing
_AUDIBLE = 10 ** (-72 / 20)  # amplitude at which the tail ends
_FADE = 0.02  # seconds at the end of the tail


def render(
    music: Song | Roll,
    rate: int = DEFAULT_RATE,
    soundfont: str | Path | None = None,
    *,
    bpm: float | None = None,
    reverb: float = DEFAULT_REVERB,
    loudness: float | None = LOUDNESS,
    seconds: float | None = None,
    synth: Synth = "builtin",
    channels: Literal[1, 2] = 2,
) -> Audio:
    """Render a song or a roll as audio.

    The built-in synthesizer is deterministic. The audio starts at tick 0 and ends when the tail of the last note has
    decayed, at most 5 seconds after the end of the piece. Peaks stay below -1 dBFS; silence stays silence.

    Args:
        music: a song, or a roll.
        rate: sampling rate in Hz, 8,000 to 96,000.
        soundfont: an ``.sf2`` file; by default the General MIDI SoundFont of pretty_midi.
        bpm: tempo of a roll in quarter notes per minute; by default its own. A song has its own.
        reverb: level of the reverberation, 0 (none) to 1.
        loudness: integrated loudness in LUFS, -60 to 0; None keeps the level of the SoundFont.
        seconds: length to render from the beginning; by default all.
        synth: ``builtin``, ``fluidsynth`` (must be installed), or ``auto`` (FluidSynth if installed).
        channels: 1 or 2.

    Returns:
        float32 ``(samples, channels)`` from -1 to 1.

    Raises:
        UserError: ``music`` of another type, an argument out of range, a piece that is too long, a damaged SoundFont,
            or FluidSynth is missing.
        OSError: the SoundFont cannot be read.

    """
    if not isinstance(music, (Song, Roll)):
        raise UserError(f"music must be a Song or a Roll, not {type(music).__name__}")
    if synth not in get_args(Synth):
        raise UserError(f"synth must be one of {', '.join(get_args(Synth))}, not {synth!r}")
    if channels not in (1, 2):
        raise UserError(f"channels must be 1 or 2, not {channels!r}")
    check_options(rate, bpm, reverb, loudness, seconds)
    factor = -(-_MIN_RATE // rate)
    piece = fit_length(timed_notes(music, bpm), rate * factor, seconds)
    if synth == "fluidsynth" or (synth == "auto" and fluidsynth_path()):
        path = Path(soundfont) if soundfont is not None else default_soundfont()
        check_header(path)  # its error is clearer than FluidSynth's
        audio = play(piece, path, rate, round((piece.end + MAX_TAIL) * rate))
    else:
        voices = allocate_voices(piece, load_soundfont(soundfont), rate * factor)
        audio = _decimate(_mix(voices, piece, rate * factor), factor)
    add_reverb(audio, rate, reverb)
    if channels == 1:
        audio = audio.mean(axis=1, keepdims=True)
    return _finish(audio, rate, piece.end, loudness)


def check_options(rate: int, bpm: float | None, reverb: float, loudness: float | None, seconds: float | None) -> None:
    """Check the numeric arguments of :func:`render`.

    Raises:
        UserError: one is out of range.

    """
    check_rate(rate)
    for name, value, low, high in (
        ("rate", rate, *RATES),
        ("bpm", bpm, *PLAYABLE_BPM),
        ("reverb", reverb, 0, 1),
        ("loudness", loudness, -60, 0),
    ):
        if value is not None and not low <= value <= high:
            raise UserError(f"{name} must be from {low:g} to {high:g}, not {value:g}")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UserError(f"seconds must be greater than 0, not {seconds:g}")


def max_seconds(rate: int) -> float:
    """Return the length in seconds, without the tail, of the longest piece that can be rendered at a rate."""
    return MAX_SAMPLES / rate - MAX_TAIL


def fit_length(piece: TimedNotes, rate: int, seconds: float | None) -> TimedNotes:
    """Return the first ``seconds`` of a piece (None: all of it).

    Raises:
        UserError: that is longer than :func:`max_seconds`.

    """
    longest = max_seconds(rate)
    allowed = f"the {format_duration(longest)} that can be rendered at this rate"
    if seconds is not None:
        if seconds > longest:
            raise UserError(f"seconds: {format_duration(seconds)} is more than {allowed}")
        within = piece.onset < seconds
        notes, onset, stop = piece.notes[within], piece.onset[within], np.minimum(piece.stop[within], seconds)
        return TimedNotes(notes, onset, stop, min(piece.end, seconds), piece.level[within])
    if piece.last_stop > longest:
        raise UserError(
            f"the piece lasts {format_duration(piece.last_stop)}, more than {allowed}: "
            "render its beginning with seconds"
        )
    # A rest after the last note that does not fit is cut.
    return piece if piece.end <= longest else replace(piece, end=piece.last_stop)


def format_duration(seconds: float) -> str:
    """Format seconds as hours, minutes and seconds: ``0:03:20``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def load_soundfont(path: str | Path | None) -> Soundfont:
    """Load a SoundFont, by default the General MIDI one of pretty_midi; the last two stay in memory.

    Raises:
        UserError: not a SoundFont 2 file, or a damaged one.
        OSError: the file cannot be read.

    """
    path = Path(path) if path is not None else default_soundfont()
    status = path.stat()
    return _loaded(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _loaded(path: Path, _time: int, _size: int) -> Soundfont:
    return Soundfont(path)


def _mix(voices: list[Voice], piece: TimedNotes, rate: int) -> Audio:
    """Mix the voices, with room for the tail: float32 ``(samples, 2)``.

    Raises:
        UserError: the voices have too many distinct waveforms.

    """
    audio = np.zeros((round((piece.end + MAX_TAIL) * rate), 2), np.float32)
    # Left and right as one complex number, which NumPy adds several times as fast as rows of two.
    pairs = audio.view(np.complex64)[:, 0]
    # Notes of one region and key share one waveform, of which each plays the beginning.
    groups: dict[tuple[int, int], list[Voice]] = defaultdict(list)
    for voice in voices:
        groups[id(voice.region), voice.key].append(voice)
    work = sum(max(voice.length for voice in group) for group in groups.values()) / rate
    if work > _MAX_WORK:
        raise UserError(
            f"the piece needs {format_duration(work)} of distinct sounds, more than the {format_duration(_MAX_WORK)} "
            "allowed: render a part"
        )
    choke = np.linspace(1, 0, round(CHOKE * rate), dtype=np.float32)
    for group in groups.values():
        region = group[0].region
        longest = max(voice.length for voice in group)
        wave = make_wave(region, group[0].key, longest, rate)
        curve = release_curve(region, longest - min(voice.held for voice in group), rate)
        pan = np.complex64(complex(*pan_of(region)))
        for voice in group:
            samples = wave[: min(voice.length, len(audio) - voice.onset)] * np.float32(voice.gain)
            samples[voice.held :] *= curve[: max(len(samples) - voice.held, 0)]
            if voice.cut is not None:
                fading = samples[voice.cut :]
                fading *= choke[: len(fading)]
            pairs[voice.onset : voice.onset + len(samples)] += samples * pan
    return audio


def _decimate(audio: Audio, factor: int) -> Audio:
    """Low-pass and keep every ``factor``-th sample (windowed sinc, 64 taps per side)."""
    if factor == 1:
        return audio
    places = np.arange(-64, 65)
    kernel = (np.sinc(places * 0.9 / factor) * np.hanning(131)[1:-1]).astype(np.float32)
    kernel /= kernel.sum()
    return np.stack([np.convolve(channel, kernel, "same")[::factor] for channel in audio.T], axis=1)


def _finish(audio: Audio, rate: int, end: float, loudness: float | None) -> Audio:
    """Normalize the loudness, and cut the silence after the tail but not before ``end`` seconds."""
    audio = master(audio, rate, loudness)
    least = round(end * rate)
    # Search from the end, a second at a time, to avoid a copy of the whole.
    stop = len(audio)
    while stop > least and not (np.abs(audio[max(stop - rate, least) : stop]) > _AUDIBLE).any():
        stop = max(stop - rate, least)
    loud = np.flatnonzero((np.abs(audio[max(stop - rate, least) : stop]) > _AUDIBLE).any(axis=1))
    stop = max(stop - rate, least) + int(loud[-1]) + 1 if len(loud) else stop
    if stop > least:
        # The fade follows the last audible sample, or ends with the room for the tail.
        stop = min(stop + round(_FADE * rate), len(audio))
        fade = audio[max(stop - round(_FADE * rate), least) : stop]
        fade *= np.linspace(1, 0, len(fade), dtype=np.float32)[:, None]
    return np.ascontiguousarray(audio[:stop])
