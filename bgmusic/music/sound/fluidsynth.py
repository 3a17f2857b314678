"""Render by FluidSynth, if it is installed.

It runs as a subprocess: a SoundFont that crashes it does not crash Python. It is optional, because it is a system
package that pip cannot install.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bgmusic.errors import UserError
from bgmusic.music.midi.song import TEMPO, Song, table
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.sound.checks import Audio
from bgmusic.music.sound.timing import TimedNotes

_TICKS = 10_000  # per second
_TIMEOUT = 60.0  # seconds, plus the length of the piece
_GAIN = 0.2
_CHANNELS = 15  # MIDI channels, without the one of drums


def fluidsynth_path() -> str | None:
    """Return the path of the FluidSynth command, or None if it is not installed."""
    return shutil.which("fluidsynth")


def play(piece: TimedNotes, soundfont: Path, rate: int, count: int) -> Audio:
    """Render a piece by FluidSynth, without its reverb and chorus.

    Args:
        piece: notes in seconds.
        soundfont: an ``.sf2`` or ``.sf3`` file.
        rate: sampling rate in Hz.
        count: number of samples.

    Returns:
        float32 ``(count, 2)``, not normalized.

    Raises:
        UserError: FluidSynth is not installed, or fails on the SoundFont or the piece.

    """
    import soundfile

    command = fluidsynth_path()
    if command is None:
        raise UserError("FluidSynth is not installed: install it, or use the built-in synthesizer (--synth builtin)")
    with tempfile.TemporaryDirectory(prefix="bgmusic-") as folder:
        midi, wave = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        midi.write_bytes(song_bytes(_in_seconds(piece)))
        options = ["-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(_GAIN), "-r", str(rate)]
        options += ["-T", "wav", "-O", "float", "-F", str(wave)]
        try:
            result = subprocess.run(  # noqa: S603
                [command, *options, str(soundfont.resolve()), str(midi)],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT + piece.end,
                check=False,
            )
            message = result.stderr.decode(errors="replace").strip()
            # FluidSynth only warns about a SoundFont that it cannot load, and renders silence.
            if result.returncode or "Failed to load SoundFont" in message:
                raise UserError(f"FluidSynth cannot use {soundfont} (exit code {result.returncode}): {message[:200]}")
            with soundfile.SoundFile(wave) as sound:
                played = sound.read(count, dtype="float32", always_2d=True)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"FluidSynth has not finished after {_TIMEOUT + piece.end:.0f} seconds: render a part of the piece"
            ) from None
        except (OSError, soundfile.LibsndfileError) as error:
            raise UserError(f"FluidSynth wrote no readable audio: {error}") from None
    audio = np.zeros((count, 2), np.float32)
    audio[: len(played)] = played
    return audio


def _in_seconds(piece: TimedNotes) -> Song:
    """Return the piece as a song of constant tempo, in ticks of 0.1 ms."""
    notes = piece.notes.copy()
    notes["onset"] = np.rint(piece.onset * _TICKS)
    notes["duration"] = np.maximum(np.rint(piece.stop * _TICKS) - notes["onset"], 1)
    # Amplitude is the square of velocity. Volume as a controller would not work: parts may share a channel.
    notes["velocity"] = np.clip(np.rint(notes["velocity"] * np.sqrt(piece.level)), 1, 127)
    if len(np.unique(notes[["part", "program", "is_drum"]])) > _CHANNELS:
        notes["part"] = 0  # too many for MIDI: parts of one program share a channel
    return Song(ticks_per_beat=_TICKS // 2, notes=notes, tempos=table(TEMPO, [(0, 120.0)]))
