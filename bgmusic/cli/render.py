"""``bgmusic render``: render music as audio."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.midi.song import Song
    from bgmusic.music.rolls.roll import Roll

_PHRASES = 4


class Synth(str, Enum):
    """Synthesizers."""

    auto = "auto"
    builtin = "builtin"
    fluidsynth = "fluidsynth"


def render(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.mid|FILE.npz|RUN", help="MIDI file, npz of phrases, run folder, or a shipped generator."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Output file; the suffix sets the format: .wav, .flac, .ogg or .mp3.")
    ],
    soundfont: Annotated[
        Path | None,
        typer.Option(metavar="FILE.sf2", help="SoundFont.", show_default="the General MIDI one of pretty_midi"),
    ] = None,
    rate: Annotated[int, typer.Option(help="Sample rate in Hz, 8000 to 96000.")] = 44_100,
    synth: Annotated[Synth, typer.Option(help="Synthesizer; auto is FluidSynth if installed.")] = Synth.auto,
    bpm: Annotated[
        float | None,
        typer.Option(help="Tempo of phrases in beats per minute; a MIDI file has its own.", show_default="their own"),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--number",
            min=1,
            max=256,
            help="Number of phrases, rendered one after another.",
            show_default=str(_PHRASES),
        ),
    ] = None,
    index: Annotated[
        int | None, typer.Option(min=0, help="First phrase of an npz, from 0; without -n, only this one.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of a run's phrases.", show_default="0")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Render only this many seconds, and let the notes die away.", show_default="all"),
    ] = None,
    reverb: Annotated[float, typer.Option(help="Reverb level, 0 to 1.")] = 0.15,
    loudness: Annotated[float, typer.Option(help="Integrated loudness in LUFS.")] = -18.0,
    mono: Annotated[bool, typer.Option("--mono", help="Render one channel.")] = False,
) -> None:
    """Render music as audio, with the last notes' decay, at a fixed loudness, without clipping."""
    from bgmusic.files import require_writable
    from bgmusic.music import sound
    from bgmusic.music.sound.files import format_of
    from bgmusic.music.sound.rendering import check_options

    # Check all options before computing.
    format_of(out)
    require_writable(out)
    check_options(rate, bpm, reverb, loudness, seconds)
    music = _open(source, number, index, bpm, seed)
    audio = sound.render(
        music,
        rate,
        soundfont,
        bpm=bpm,
        reverb=reverb,
        loudness=loudness,
        seconds=seconds,
        synth=synth.value,
        channels=1 if mono else 2,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    sound.write_audio(out, audio, rate)
    typer.echo(f"{out}: {len(audio) / rate:.1f} seconds")


def _open(source: Path, number: int | None, index: int | None, bpm: float | None, seed: int | None) -> Song | Roll:
    """Open a MIDI file as a song, or phrases as one roll with silent bars between them."""
    from bgmusic.music.corpora.sources.base import kind_of

    if kind_of(source.name) == "midi" and not source.is_dir():
        from bgmusic.music.midi.read import MidiError, read_midi

        if number is not None or index is not None:
            raise UserError("-n and --index choose phrases: a MIDI file is one piece")
        if bpm is not None or seed is not None:
            raise UserError("--bpm and --seed are for phrases: a MIDI file has its own tempo and needs no seed")
        try:
            return read_midi(source, controls=True)
        except MidiError as error:
            raise UserError(f"{source}: {error}") from None

    from bgmusic.music.composing.generate import phrases, to_rolls
    from bgmusic.music.composing.load import load_generator
    from bgmusic.music.rolls.joining import join_with_rests
    from bgmusic.training.lookup import find_run
    from bgmusic.training.memory import keep_freed_memory

    if source.suffix == ".npz" or source.is_file():
        from bgmusic.music.rolls.phrase_files import read_phrases

        if seed is not None:
            raise UserError("--seed is for runs; choose phrases of an npz by --index")
        found, _ = read_phrases(source)
        first = index or 0
        last = first + (number or (_PHRASES if index is None else 1))
        if first >= len(found):
            raise UserError(f"{source}: no phrase {first} of {len(found)}")
        if number and last > len(found):
            raise UserError(f"{source}: {number} phrases from number {first} on, but it has {len(found)}")
        return join_with_rests([found.roll(i) for i in range(first, min(last, len(found)))])
    if index is not None:
        raise UserError("--index is for npz files; choose phrases of a run by --seed")
    _, shape, generator = load_generator(find_run(source))
    keep_freed_memory()
    return join_with_rests(to_rolls(phrases(generator, shape, number or _PHRASES, seed or 0), shape))
