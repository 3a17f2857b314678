"""``bgmusic render``: hear it."""

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
    """Who plays."""

    auto = "auto"
    builtin = "builtin"
    fluidsynth = "fluidsynth"


def render(
    source: Annotated[
        Path, typer.Argument(metavar="FILE.mid|FILE.npz|RUN", help="A MIDI file, generated phrases, or a run.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="What to write; .wav, .flac, .ogg or .mp3 tells the format.")
    ],
    soundfont: Annotated[
        Path | None,
        typer.Option(metavar="FILE.sf2", help="Whose sounds.", show_default="the one of General MIDI in pretty_midi"),
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second, 8000 to 96000.")] = 44_100,
    synth: Annotated[Synth, typer.Option(help="Who plays; auto: FluidSynth where it is installed.")] = Synth.auto,
    bpm: Annotated[
        float | None,
        typer.Option(help="Tempo of phrases, in beats a minute; a MIDI file has its own.", show_default="120"),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("-n", "--number", min=1, max=256, help="Phrases, one after another.", show_default=str(_PHRASES)),
    ] = None,
    index: Annotated[
        int | None, typer.Option(min=0, help="The phrase of an npz to begin with; alone, where -n is not given.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of a run's phrases.", show_default="0")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Only the beginning.", show_default="all")] = None,
    reverb: Annotated[float, typer.Option(help="Level of the room, 0 to 1.")] = 0.15,
    loudness: Annotated[float, typer.Option(help="Loudness in LUFS.")] = -18.0,
    mono: Annotated[bool, typer.Option("--mono", help="One channel.")] = False,
) -> None:
    """Render music as sound: every note of it, its tail too, at one loudness, never clipped."""
    from bgmusic.files import require_writable
    from bgmusic.music import sound
    from bgmusic.music.midi.song import DEFAULT_BPM
    from bgmusic.music.sound.files import format_of
    from bgmusic.music.sound.rendering import check_options

    # Before anything is computed.
    format_of(out)
    require_writable(out)
    tempo = DEFAULT_BPM if bpm is None else bpm
    check_options(rate, tempo, reverb, loudness, seconds)
    music = _open(source, number, index, bpm, seed)
    audio = sound.render(
        music,
        rate,
        soundfont,
        bpm=tempo,
        reverb=reverb,
        loudness=loudness,
        seconds=seconds,
        synth=synth.value,
        channels=1 if mono else 2,
    )
    sound.write_audio(out, audio, rate)
    typer.echo(f"{out}: {len(audio) / rate:.1f} seconds")


def _open(source: Path, number: int | None, index: int | None, bpm: float | None, seed: int | None) -> Song | Roll:
    """What a user names: a song, or phrases as one roll, a silent bar between them."""
    from bgmusic.music.corpora.sources.base import kind_of

    if kind_of(source.name) == "midi" and not source.is_dir():
        from bgmusic.music.midi.read import MidiError, read_midi

        if number is not None or index is not None:
            raise UserError("-n and --index choose phrases: a MIDI file is one piece")
        if bpm is not None or seed is not None:
            raise UserError("--bpm and --seed are for phrases: a MIDI file has its own tempo, and is what it is")
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
            raise UserError("--seed chooses a run's phrases: those of an npz are chosen by --index")
        found, _ = read_phrases(source)
        first = index or 0
        last = first + (number or (_PHRASES if index is None else 1))
        if first >= len(found):
            raise UserError(f"{source}: no phrase {first} of {len(found)}")
        return join_with_rests([found.roll(i) for i in range(first, min(last, len(found)))])
    if index is not None:
        raise UserError("--index chooses a phrase of an npz: a run's are chosen by --seed")
    _, shape, generator = load_generator(find_run(source))
    keep_freed_memory()
    return join_with_rests(to_rolls(phrases(generator, shape, number or _PHRASES, seed or 0), shape))
