"""FluidSynth, where it is installed: as a program of its own, so that a file that crashes it can't crash us."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgmusic.errors import UserError
from bgmusic.music.midi.song import TEMPO, Song, table
from bgmusic.music.midi.write import song_bytes
from bgmusic.music.sound.timing import Timed

Audio = NDArray[np.float32]

_TICKS = 10_000  # a second
_PATIENCE = 60.0  # seconds that it may take, and as long again as the piece lasts
_GAIN = 0.2
_CHANNELS = 15  # of MIDI, the drums' aside


def fluidsynth_path() -> str | None:
    """Where FluidSynth's command is, None where it is not installed."""
    return shutil.which("fluidsynth")


def play(piece: Timed, soundfont: Path, rate: int, count: int) -> Audio:
    """A piece's sound by FluidSynth, without its reverb and chorus: float32 ``(count, 2)``, levels as they come.

    Raises:
        UserError: it is not installed, or fails at the SoundFont or the piece.

    """
    import soundfile

    command = fluidsynth_path()
    if command is None:
        raise UserError("FluidSynth is not installed: --synth builtin needs nothing else")
    with tempfile.TemporaryDirectory(prefix="bgmusic-") as folder:
        midi, wave = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        midi.write_bytes(song_bytes(_in_seconds(piece)))
        options = ["-n", "-i", "-q", "-R", "0", "-C", "0", "-g", str(_GAIN), "-r", str(rate)]
        options += ["-T", "wav", "-O", "float", "-F", str(wave)]
        try:
            ended = subprocess.run(  # noqa: S603
                [command, *options, str(soundfont.resolve()), str(midi)],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_PATIENCE + piece.end,
                check=False,
            )
            complaint = ended.stderr.decode(errors="replace").strip()
            # A SoundFont that it can't load is a warning to it, and silence to us.
            if ended.returncode or "Failed to load SoundFont" in complaint:
                raise UserError(f"FluidSynth can't use {soundfont} (exit code {ended.returncode}): {complaint[:200]}")
            with soundfile.SoundFile(wave) as sound:
                played = sound.read(count, dtype="float32", always_2d=True)
        except subprocess.TimeoutExpired:
            raise UserError(f"FluidSynth had not finished after {_PATIENCE + piece.end:.0f} seconds") from None
        except (OSError, soundfile.LibsndfileError) as error:
            raise UserError(f"FluidSynth made no sound that can be read: {error}") from None
    audio = np.zeros((count, 2), np.float32)
    audio[: len(played)] = played
    return audio


def _in_seconds(piece: Timed) -> Song:
    """The piece at a constant tempo, in ticks of a ten-thousandth of a second."""
    notes = piece.notes.copy()
    notes["onset"] = np.rint(piece.onset * _TICKS)
    notes["duration"] = np.maximum(np.rint(piece.stop * _TICKS) - notes["onset"], 1)
    # A level is the square of a velocity, as that of a volume, which parts that share a channel can't have.
    notes["velocity"] = np.clip(np.rint(notes["velocity"] * np.sqrt(piece.level)), 1, 127)
    if len(np.unique(notes[["part", "program", "is_drum"]])) > _CHANNELS:
        notes["part"] = 0  # parts of one program share a channel: MIDI has no more
    return Song(ticks_per_beat=_TICKS // 2, notes=notes, tempos=table(TEMPO, [(0, 120.0)]))
