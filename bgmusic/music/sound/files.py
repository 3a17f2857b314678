"""Audio files, written whole or not at all: WAV by itself; FLAC, Ogg Vorbis and MP3 by libsndfile."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.files import atomic_write
from bgmusic.music.midi.song import DEFAULT_BPM
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.sound.rendering import DEFAULT_RATE, render

Audio = NDArray[np.float32]

PREVIEW_RATE = 24_000  # Hz
FORMATS = ("wav", "flac", "ogg", "mp3")
_BLOCK = 1 << 16  # samples: libsndfile's Vorbis overflows its stack on long writes
_MOST_BYTES = (1 << 32) - 1 - 36  # of a WAV file's samples
# Some 150 kbit a second of stereo for Ogg Vorbis and MP3: what few can tell from the original.
_OPTIONS: dict[str, dict[str, Any]] = {
    "flac": {"subtype": "PCM_16"},
    "ogg": {"subtype": "VORBIS", "compression_level": 0.4},
    "mp3": {"subtype": "MPEG_LAYER_III", "compression_level": 0.3, "bitrate_mode": "VARIABLE"},
}


def format_of(path: str | Path) -> str:
    """The format that a path's suffix names.

    Raises:
        UserError: it names none.

    """
    name = Path(path).suffix.lower().removeprefix(".")
    if name not in FORMATS:
        raise UserError(f"{path}: the suffix tells the format, and must be one of .{', .'.join(FORMATS)}")
    return name


def write_audio(path: str | Path, audio: Audio, rate: int) -> None:
    """Write audio ``(samples, channels)``, or ``(samples,)`` for one channel, in the format that the suffix names.

    Samples are from -1 to 1, and clipped to that; ``rate`` is in Hz.

    Raises:
        UserError: an unknown suffix, or a rate that the format can't hold.
        OSError: the file can't be written.

    """
    kind = format_of(path)
    with atomic_write(path) as file:
        _write(file, audio, rate, kind)


def write_wav(path: str | Path, audio: Audio, rate: int) -> None:
    """Write audio as WAV, 16 bits, whatever the suffix.

    Raises:
        UserError: it is too long for a WAV file.
        OSError: the file can't be written.

    """
    with atomic_write(path) as file:
        _write(file, audio, rate, "wav")


def audio_bytes(audio: Audio, rate: int, kind: str = "wav") -> bytes:
    """The file that ``write_audio`` writes: ``wav``, ``flac``, ``ogg`` or ``mp3``.

    Raises:
        UserError: an unknown format, or a rate that it can't hold.

    """
    if kind not in FORMATS:
        raise UserError(f"{kind!r} is none of {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    _write(buffer, audio, rate, kind)
    return buffer.getvalue()


def wav_bytes(audio: Audio, rate: int) -> bytes:
    """A WAV file of 16 bits: the same audio gives the same bytes."""
    return audio_bytes(audio, rate, "wav")


def mp3_bytes(audio: Audio, rate: int) -> bytes:
    """An MP3 file: what every browser plays, at a tenth of the size."""
    return audio_bytes(audio, rate, "mp3")


def ogg_bytes(audio: Audio, rate: int) -> bytes:
    """An Ogg Vorbis file; its stream has a random number, so the same audio gives other bytes each time."""
    return audio_bytes(audio, rate, "ogg")


def save_roll(path: str | Path, roll: Roll, bpm: float = DEFAULT_BPM, **options: Any) -> None:
    """Render a roll at ``bpm`` quarter notes per minute and write it as ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``.

    ``options`` are those of :func:`bgmusic.music.sound.render` (``rate``, ``soundfont``, ``reverb``, ...).

    Raises:
        UserError: an unknown suffix, a roll that is too long, or an option out of range.
        OSError: the file cannot be written.

    """
    format_of(path)  # before the work of rendering
    rate = options.setdefault("rate", DEFAULT_RATE)
    write_audio(path, render(roll, bpm=bpm, **options), rate)


def roll_mp3(roll: Roll, bpm: float = DEFAULT_BPM, *, rate: int = PREVIEW_RATE, **options: Any) -> bytes:
    """Render a roll at ``bpm`` quarter notes per minute and return the content of an MP3 file.

    ``options`` are those of :func:`bgmusic.music.sound.render`. The default rate, 24 kHz, halves the size for previews
    in notebooks and pages.

    Raises:
        UserError: a roll that is too long, or an option out of range.

    """
    return mp3_bytes(render(roll, rate, bpm=bpm, **options), rate)


def _write(file: IO[bytes], audio: Audio, rate: int, kind: str) -> None:
    audio = audio[:, None] if audio.ndim == 1 else audio
    if kind == "wav":
        size = 2 * audio.size
        if size > _MOST_BYTES:
            raise UserError(f"{len(audio) / rate:.0f} seconds are too long for a WAV file")
        channels = audio.shape[1]
        head = struct.pack("<HHIIHH", 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
        file.write(b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + head)
        file.write(b"data" + struct.pack("<I", size))
        for block in _blocks(audio):
            file.write(block.tobytes())
        return
    import soundfile

    try:
        options = {"format": kind.upper(), **_OPTIONS[kind]}
        with soundfile.SoundFile(file, "w", rate, audio.shape[1], **options) as sound:
            for begin in range(0, max(len(audio), 1), _BLOCK):
                block = np.clip(audio[begin : begin + _BLOCK], -1, 1)
                # Nothing at all makes files that no reader takes; and libsndfile distorts MP3 of whole numbers.
                sound.write(block.astype(np.float32) if len(block) else np.zeros((1, audio.shape[1]), np.float32))
    except soundfile.LibsndfileError as error:
        raise UserError(f"{kind} can't hold this sound at {rate} Hz: {error.error_string}") from None


def _blocks(audio: Audio) -> Iterator[NDArray[np.int16]]:
    for begin in range(0, len(audio), _BLOCK):
        yield np.rint(np.clip(audio[begin : begin + _BLOCK], -1, 1) * 32767).astype("<i2")
