"""Render songs and rolls as audio, and write audio files."""

from bgmusic.music.sound.files import (
    FORMATS,
    audio_bytes,
    mp3_bytes,
    ogg_bytes,
    roll_mp3,
    save_roll,
    wav_bytes,
    write_audio,
    write_wav,
)
from bgmusic.music.sound.rendering import DEFAULT_RATE, render

__all__ = [
    "DEFAULT_RATE",
    "FORMATS",
    "audio_bytes",
    "mp3_bytes",
    "ogg_bytes",
    "render",
    "roll_mp3",
    "save_roll",
    "wav_bytes",
    "write_audio",
    "write_wav",
]
