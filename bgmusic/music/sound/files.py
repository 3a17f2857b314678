"""Write audio files atomically: WAV, FLAC, Ogg Vorbis and MP3.

WAV is written by the standard library, FLAC, Vorbis and MP3 by libsndfile (the package soundfile).
"""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import IO, Any

import numpy as np

from bgmusic.errors import UserError
from bgmusic.files import atomic_write
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.sound.checks import Audio, check_audio, check_rate
from bgmusic.music.sound.rendering import DEFAULT_RATE, render

FORMATS = ("wav", "flac", "ogg", "mp3")
PREVIEW_RATE = 24_000  # Hz: half the size of 48 kHz
_BLOCK = 1 << 16  # samples per write: the Vorbis encoder of libsndfile overflows its stack on long ones
_MAX_WAV_BYTES = (1 << 32) - 1 - 36  # the size fields of a WAV file have 32 bits
# About 150 kbit/s of stereo for Vorbis and MP3: transparent to most listeners.
_OPTIONS: dict[str, dict[str, Any]] = {
    "flac": {"subtype": "PCM_16"},
    "ogg": {"subtype": "VORBIS", "compression_level": 0.4},
    "mp3": {"subtype": "MPEG_LAYER_III", "compression_level": 0.3, "bitrate_mode": "VARIABLE"},
}


def format_of(path: str | Path) -> str:
    """Return the audio format of a path by its suffix: ``wav``, ``flac``, ``ogg`` or ``mp3``.

    Raises:
        UserError: another suffix, or none.

    """
    name = Path(path).suffix.lower().removeprefix(".")
    if name not in FORMATS:
        raise UserError(f"{path}: the suffix must name an audio format: .{', .'.join(FORMATS)}")
    return name


def write_audio(path: str | Path, audio: Audio, rate: int) -> None:
    """Write an audio file in the format of its suffix (atomic write).

    Args:
        path: file with the suffix ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``.
        audio: floating-point ``(samples, channels)``, or ``(samples,)`` for one channel; clipped to -1 to 1.
        rate: sampling rate in Hz.

    Raises:
        UserError: an unknown suffix, audio of another dtype or shape, or a rate that the format does not support.
        OSError: the file cannot be written.

    """
    kind = format_of(path)
    with atomic_write(path) as file:
        _write(file, audio, rate, kind)


def write_wav(path: str | Path, audio: Audio, rate: int) -> None:
    """Write a WAV file of 16 bits, whatever its suffix (atomic write); arguments as in :func:`write_audio`.

    Raises:
        UserError: audio of another dtype or shape, or too long for a WAV file (4 GiB).
        OSError: the file cannot be written.

    """
    with atomic_write(path) as file:
        _write(file, audio, rate, "wav")


def audio_bytes(audio: Audio, rate: int, kind: str = "wav") -> bytes:
    """Return the content of an audio file; ``kind`` is ``wav``, ``flac``, ``ogg`` or ``mp3``.

    Arguments are those of :func:`write_audio`.

    Raises:
        UserError: an unknown format, audio of another dtype or shape, or a rate that the format does not support.

    """
    if kind not in FORMATS:
        raise UserError(f"audio format {kind!r} is not one of {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    _write(buffer, audio, rate, kind)
    return buffer.getvalue()


def wav_bytes(audio: Audio, rate: int) -> bytes:
    """Return the content of a WAV file of 16 bits; the same audio gives the same bytes."""
    return audio_bytes(audio, rate, "wav")


def mp3_bytes(audio: Audio, rate: int) -> bytes:
    """Return the content of an MP3 file, a tenth of the size of WAV."""
    return audio_bytes(audio, rate, "mp3")


def ogg_bytes(audio: Audio, rate: int) -> bytes:
    """Return the content of an Ogg Vorbis file; its random serial number differs from call to call."""
    return audio_bytes(audio, rate, "ogg")


def save_roll(path: str | Path, roll: Roll, bpm: float | None = None, **options: Any) -> None:
    """Render a roll and write it as ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``.

    ``bpm``, in quarter notes per minute, replaces the roll's own tempos.
    ``options`` are those of :func:`bgmusic.music.sound.render` (``rate``, ``soundfont``, ``reverb``, ...).

    Raises:
        UserError: an unknown suffix, a roll that is too long, or an option out of range.
        OSError: the file cannot be written.

    """
    format_of(path)  # before the work of rendering
    rate = options.setdefault("rate", DEFAULT_RATE)
    write_audio(path, render(roll, bpm=bpm, **options), rate)


def roll_mp3(roll: Roll, bpm: float | None = None, *, rate: int = PREVIEW_RATE, **options: Any) -> bytes:
    """Render a roll and return the content of an MP3 file.

    ``bpm``, in quarter notes per minute, replaces the roll's own tempos.
    ``options`` are those of :func:`bgmusic.music.sound.render`. The default rate, 24 kHz, halves the size for previews
    in notebooks and pages.

    Raises:
        UserError: a roll that is too long, or an option out of range.

    """
    return mp3_bytes(render(roll, rate, bpm=bpm, **options), rate)


def _write(file: IO[bytes], audio: Audio, rate: int, kind: str) -> None:
    check_rate(rate)
    audio = check_audio(audio)
    if kind == "wav":
        if 2 * audio.size > _MAX_WAV_BYTES:
            raise UserError(f"{len(audio) / rate:.0f} seconds exceed the 4 GiB of a WAV file: write FLAC, or a part")
        with wave.open(file, "wb") as sound:
            sound.setparams((audio.shape[1], 2, rate, len(audio), "NONE", "not compressed"))
            for begin in range(0, len(audio), _BLOCK):
                block = np.rint(np.clip(audio[begin : begin + _BLOCK], -1, 1) * 32767)
                sound.writeframesraw(block.astype("<i2").tobytes())
        return
    import soundfile

    try:
        options = {"format": kind.upper(), **_OPTIONS[kind]}
        with soundfile.SoundFile(file, "w", rate, audio.shape[1], **options) as sound:
            for begin in range(0, max(len(audio), 1), _BLOCK):
                block = np.clip(audio[begin : begin + _BLOCK], -1, 1)
                # Readers reject files without samples, so silence is written; integers would distort MP3 in libsndfile.
                sound.write(block.astype(np.float32) if len(block) else np.zeros((1, audio.shape[1]), np.float32))
    except soundfile.LibsndfileError as error:
        raise UserError(
            f"{kind} does not support {audio.shape[1]} channels at {rate} Hz: {error.error_string}"
        ) from None
