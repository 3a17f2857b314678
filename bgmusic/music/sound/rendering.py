"""Songs and rolls as samples."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import DEFAULT_BPM, Song
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.sound.fluidsynth import fluidsynth_path, play
from bgmusic.music.sound.loudness import LOUDNESS, master
from bgmusic.music.sound.presets import Soundfont
from bgmusic.music.sound.reverb import DEFAULT_REVERB, add_reverb
from bgmusic.music.sound.soundfont import check_header, default_soundfont
from bgmusic.music.sound.timing import Timed, timed
from bgmusic.music.sound.voice import make_wave, pan_of, release_curve
from bgmusic.music.sound.voices import CHOKE, Voice, voices_of

Audio = NDArray[np.float32]

Synth = Literal["auto", "builtin", "fluidsynth"]

DEFAULT_RATE = 44_100
RATES = (8_000, 96_000)
MAX_SAMPLES = 20 * 60 * 48_000  # of a piece: 460 MB
MAX_TAIL = 5.0  # seconds of sound after the last note's end
_MOST_WORK = 4 * 3600.0  # seconds of different waves, a minute or two of computing; a symphony needs a tenth
_GOOD_RATE = 32_000  # below it a piece is made at a multiple of its rate: what a rate can't hold must not fold back
_AUDIBLE = 10 ** (-72 / 20)  # of full scale, where the tail ends
_FADE = 0.02  # seconds at the tail's end


def render(
    music: Song | Roll,
    rate: int = DEFAULT_RATE,
    soundfont: str | Path | None = None,
    *,
    bpm: float = DEFAULT_BPM,
    reverb: float = DEFAULT_REVERB,
    loudness: float | None = LOUDNESS,
    seconds: float | None = None,
    synth: Synth = "builtin",
    channels: Literal[1, 2] = 2,
) -> Audio:
    """The sound of a song, or of a roll at ``bpm`` quarter notes a minute: float32 ``(samples, channels)``, -1 to 1.

    Sample 0 is tick 0. The sound lasts to the piece's end, and then until its tail has died away, 5 seconds at most;
    silence stays silence. The same input gives the same samples.

    ``rate`` is in Hz, 8,000 to 96,000; ``soundfont`` an ``.sf2`` file (None: the General MIDI one that comes with
    pretty_midi); ``reverb`` the level of the room (0: none); ``loudness`` the integrated loudness in LUFS (None: as
    the SoundFont has it), of which peaks are held below -1 dB of full scale. ``seconds`` renders the beginning alone.
    ``synth`` is ``builtin``, ``fluidsynth`` (whose program must be installed), or ``auto``: FluidSynth where it is.

    Raises:
        UserError: the piece is too long, the SoundFont unusable, FluidSynth missing, or a number makes no sense.
        OSError: the SoundFont can't be read.

    """
    check_numbers(rate, bpm, reverb, loudness, seconds)
    times = -(-_GOOD_RATE // rate)
    piece = shortened(timed(music, bpm), rate * times, seconds)
    if synth == "fluidsynth" or (synth == "auto" and fluidsynth_path()):
        path = Path(soundfont) if soundfont is not None else default_soundfont()
        check_header(path)  # an error that says more than FluidSynth's
        audio = play(piece, path, rate, round((piece.end + MAX_TAIL) * rate))
    else:
        voices = voices_of(piece, load_soundfont(soundfont), rate * times)
        audio = _decimated(_mix(voices, piece, rate * times), times)
    add_reverb(audio, rate, reverb)
    if channels == 1:
        audio = audio.mean(axis=1, keepdims=True)
    return finish(audio, rate, piece.end, loudness)


def check_numbers(rate: int, bpm: float, reverb: float, loudness: float | None, seconds: float | None) -> None:
    """Make sure that the numbers make sense.

    Raises:
        UserError: which does not.

    """
    for name, value, low, high in (
        ("rate", rate, *RATES),
        ("bpm", bpm, 4, 1000),
        ("reverb", reverb, 0, 1),
        ("loudness", loudness, -60, 0),
        ("seconds", seconds, 0, float("inf")),
    ):
        if value is not None and not low <= value <= high:
            raise UserError(f"{name} {value:g} is not within {low:g} to {high:g}")
    if seconds == 0:
        raise UserError("seconds must be more than 0")


def limit(rate: int) -> float:
    """Seconds of music, less its tail, that can be rendered at a rate."""
    return MAX_SAMPLES / rate - MAX_TAIL


def shortened(piece: Timed, rate: int, seconds: float | None) -> Timed:
    """A piece that fits into memory: its beginning, where ``seconds`` says so, else whole.

    Raises:
        UserError: it is too long.

    """
    longest = limit(rate)
    if seconds is not None:
        if seconds > longest:
            raise UserError(f"{clock(seconds)} are more than the {clock(longest)} that can be rendered at this rate")
        within = piece.onset < seconds
        notes, onset, stop = piece.notes[within], piece.onset[within], np.minimum(piece.stop[within], seconds)
        return Timed(notes, onset, stop, min(piece.end, seconds), piece.level[within])
    if piece.last > longest:
        raise UserError(
            f"the piece lasts {clock(piece.last)}, more than the {clock(longest)} that can be rendered at this rate: "
            "give the seconds of its beginning that you want"
        )
    # A silence after the last note that doesn't fit is no music.
    return piece if piece.end <= longest else replace(piece, end=piece.last)


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: ``0:03:20``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def load_soundfont(path: str | Path | None) -> Soundfont:
    """A SoundFont from a file, or the General MIDI one that comes with pretty_midi (None).

    Raises:
        UserError: it is no SoundFont 2, or a damaged one.
        OSError: the file can't be read.

    """
    path = Path(path) if path is not None else default_soundfont()
    about = path.stat()
    return _loaded(path.resolve(), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=2)
def _loaded(path: Path, _time: int, _size: int) -> Soundfont:
    return Soundfont(path)


def _mix(voices: list[Voice], piece: Timed, rate: int) -> Audio:
    """All voices together, with room for the tail."""
    audio = np.zeros((round((piece.end + MAX_TAIL) * rate), 2), np.float32)
    # Left and right as one complex number: NumPy adds such rows many times as fast as pairs.
    pairs = audio.view(np.complex64)[:, 0]
    # Notes of one region and key are one wave, of which each takes its beginning.
    alike: dict[tuple[int, int], list[Voice]] = defaultdict(list)
    for voice in voices:
        alike[id(voice.region), voice.key].append(voice)
    work = sum(max(voice.length for voice in group) for group in alike.values()) / rate
    if work > _MOST_WORK:
        raise UserError(f"the piece has {clock(work)} of different sounds, more than the {clock(_MOST_WORK)} allowed")
    choke = np.linspace(1, 0, round(CHOKE * rate), dtype=np.float32)
    for group in alike.values():
        region = group[0].region
        longest = max(voice.length for voice in group)
        wave = make_wave(region, group[0].key, longest, rate)
        curve = release_curve(region, longest - min(voice.held for voice in group), rate)
        pan = np.complex64(complex(*pan_of(region)))
        for voice in group:
            heard = wave[: min(voice.length, len(audio) - voice.onset)] * np.float32(voice.gain)
            heard[voice.held :] *= curve[: max(len(heard) - voice.held, 0)]
            if voice.cut is not None:
                fading = heard[voice.cut :]
                fading *= choke[: len(fading)]
            pairs[voice.onset : voice.onset + len(heard)] += heard * pan
    return audio


def _decimated(audio: Audio, times: int) -> Audio:
    """Every so many-th sample, of what a rate that much lower can hold (a windowed sinc of 64 taps a side)."""
    if times == 1:
        return audio
    places = np.arange(-64, 65)
    kernel = (np.sinc(places * 0.9 / times) * np.hanning(131)[1:-1]).astype(np.float32)
    kernel /= kernel.sum()
    return np.stack([np.convolve(channel, kernel, "same")[::times] for channel in audio.T], axis=1)


def finish(audio: Audio, rate: int, end: float, loudness: float | None) -> Audio:
    """Audio at its loudness, without what is silent after ``end`` seconds and the tail."""
    audio = master(audio, rate, loudness)
    least = round(end * rate)
    # Found from the end in pieces: the whole would be copied.
    stop = len(audio)
    while stop > least and not (np.abs(audio[max(stop - rate, least) : stop]) > _AUDIBLE).any():
        stop = max(stop - rate, least)
    loud = np.flatnonzero((np.abs(audio[max(stop - rate, least) : stop]) > _AUDIBLE).any(axis=1))
    stop = max(stop - rate, least) + int(loud[-1]) + 1 if len(loud) else stop
    if stop > least:
        # The fade lies after the last sound that is heard, or ends with the room for the tail.
        stop = min(stop + round(_FADE * rate), len(audio))
        fade = audio[max(stop - round(_FADE * rate), least) : stop]
        fade *= np.linspace(1, 0, len(fade), dtype=np.float32)[:, None]
    return np.ascontiguousarray(audio[:stop])
