"""Sound: songs and rolls as stereo samples, at one loudness, and as audio files."""

from bgmusic.music.sound.files import FORMATS, audio_bytes, mp3_bytes, ogg_bytes, wav_bytes, write_audio, write_wav
from bgmusic.music.sound.rendering import DEFAULT_RATE, render

__all__ = [
    "DEFAULT_RATE",
    "FORMATS",
    "audio_bytes",
    "mp3_bytes",
    "ogg_bytes",
    "render",
    "wav_bytes",
    "write_audio",
    "write_wav",
]
