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
_PROGRAMS = 15  # MIDI channels, without that of drums


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
    command = fluidsynth_path()
    if command is None:
        raise UserError("FluidSynth is not installed: install it, or use the built-in synthesizer (--synth builtin)")
    audio = np.zeros((count, 2), np.float32)
    for song in _in_seconds(piece):
        audio += _play(command, song, soundfont, rate, count, piece.end)
    return audio


def _play(command: str, song: Song, soundfont: Path, rate: int, count: int, end: float) -> Audio:
    """Render a song of ``end`` seconds; the other arguments are those of :func:`play`."""
    import soundfile

    with tempfile.TemporaryDirectory(prefix="bgmusic-") as folder:
        midi, wave = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        midi.write_bytes(song_bytes(song))
        options = ["-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(_GAIN), "-r", str(rate)]
        options += ["-T", "wav", "-O", "float", "-F", str(wave)]
        try:
            result = subprocess.run(  # noqa: S603
                [command, *options, str(soundfont.resolve()), str(midi)],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT + end,
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
                f"FluidSynth has not finished after {_TIMEOUT + end:.0f} seconds: render a part of the piece"
            ) from None
        except (OSError, soundfile.LibsndfileError) as error:
            raise UserError(f"FluidSynth wrote no readable audio: {error}") from None
    audio = np.zeros((count, 2), np.float32)
    audio[: len(played)] = played
    return audio


def _in_seconds(piece: TimedNotes) -> list[Song]:
    """Return the piece as songs of constant tempo, in ticks of 0.1 ms, to be mixed.

    Each song has at most 15 programs and one drum kit, because FluidSynth has one port.
    """
    notes = piece.notes.copy()
    notes["onset"] = np.rint(piece.onset * _TICKS)
    notes["duration"] = np.maximum(np.rint(piece.stop * _TICKS) - notes["onset"], 1)
    # Amplitude is the square of velocity. Volume as a controller would not work: parts may share a channel.
    notes["velocity"] = np.clip(np.rint(notes["velocity"] * np.sqrt(piece.level)), 1, 127)
    number = np.zeros(len(notes), dtype=np.int64)
    for is_drum, size in ((False, _PROGRAMS), (True, 1)):
        chosen = notes["is_drum"] == is_drum
        number[chosen] = np.unique(notes["program"][chosen], return_inverse=True)[1] // size
    songs = [notes[number == index] for index in range(int(number.max(initial=0)) + 1)]
    return [Song(ticks_per_beat=_TICKS // 2, notes=rows, tempos=table(TEMPO, [(0, 120.0)])) for rows in songs]
