"""``bgmusic generate``: samples from a trained generator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.roll import Roll

_MOST = 1_000_000  # samples; more would not fit in memory at once
_FORMATS = {"digits": ("png", "npz"), "music": ("mid", "png", "npz", "wav", "flac", "ogg", "mp3")}
_DEFAULT = ("mid", "png", "npz")
_AUDIO = ("wav", "flac", "ogg", "mp3")
_NUMBER = {"digits": 100, "music": 16}


def generate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    number: Annotated[
        int | None, typer.Option("-n", "--number", min=1, max=_MOST, help="How many; 100 digits or 16 phrases.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed gives the same samples.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("samples"),
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Any of png, npz; for music also mid, wav, flac, ogg, mp3; separated by commas. "
            "By default png, npz, mid.",
        ),
    ] = None,
    binarize: Annotated[str, typer.Option(help="For a real-valued generator: ht or bs.")] = "ht",
) -> None:
    """Generate digits or music.

    png: a picture. npz: digits as uint8 zeros and ones (N, 28, 28), key samples; music as booleans
    (N, tracks, bars, steps, pitches), key rolls (and onsets), with meta, JSON. mid, wav, flac, ogg, mp3: a file for
    each phrase, and one with all; the sound is what bgmusic render makes of them.
    """
    from bgmusic.gan.runs import kind_of

    formats = [name.strip() for name in format_.split(",")] if format_ is not None else None
    # A format that no run has is wrong before there is a run to look at.
    _check(formats or [], sorted({name for known in _FORMATS.values() for name in known}))
    kind = kind_of(run)
    formats = formats or [name for name in _DEFAULT if name in _FORMATS[kind]]
    _check(formats, _FORMATS[kind])
    make = _digits if kind == "digits" else _music
    make(run, number or _NUMBER[kind], seed, out, formats, binarize)


def _check(formats: Sequence[str], known: Sequence[str]) -> None:
    for name in formats:
        if name not in known:
            raise UserError(f"--format: {name!r} is none of {', '.join(known)}")


def _digits(run: Path, number: int, seed: int, out: Path, formats: list[str], binarize: str) -> None:
    from bgmusic.digits.pictures import save_grid
    from bgmusic.digits.sampling import load_generator, sample
    from bgmusic.files import write_npz

    _, generator = load_generator(run)
    images = sample(generator, number, seed, binarize)
    out.mkdir(parents=True, exist_ok=True)
    if "npz" in formats:
        write_npz(out / "samples.npz", {"samples": images})
        typer.echo(f"{len(images)} samples: {out / 'samples.npz'}")
    if "png" in formats:
        shown = images[:1024]  # a sheet that a viewer still opens
        save_grid(out / "samples.png", shown, columns=32 if len(shown) > 256 else 16)
        typer.echo(f"Picture of {len(shown)}: {out / 'samples.png'}")


def _music(run: Path, number: int, seed: int, out: Path, formats: list[str], binarize: str) -> None:
    import numpy as np

    from bgmusic.files import write_npz
    from bgmusic.music.midi_write import write_midi
    from bgmusic.music.pictures import save_rolls
    from bgmusic.music.sampling import describe, load_generator, one_after_another, phrases, to_rolls

    _, shape, generator = load_generator(run)
    rolls = to_rolls(phrases(generator, shape, number, seed, binarize), shape)
    out.mkdir(parents=True, exist_ok=True)
    if "npz" in formats:
        arrays = {"rolls": np.stack([roll.cells for roll in rolls])}
        if shape.encoding == "onset":
            arrays["onsets"] = np.stack([roll.onsets for roll in rolls if roll.onsets is not None])
        meta = json.dumps({**describe(shape), "run": str(run), "seed": seed, "binarize": binarize})
        write_npz(out / "rolls.npz", {**arrays, "meta": np.array(meta)})
        typer.echo(f"{len(rolls)} phrases: {out / 'rolls.npz'}")
    if "mid" in formats:
        for index, roll in enumerate(rolls):
            write_midi(roll, out / f"phrase-{index:04d}.mid")
        write_midi(one_after_another(rolls), out / "all.mid")
        typer.echo(f"{len(rolls)} phrases as MIDI: {out / 'all.mid'}, and phrase-0000.mid and so on beside it")
    if "png" in formats:
        shown = save_rolls(out / "rolls.png", rolls[:64])
        typer.echo(f"Picture of {shown}: {out / 'rolls.png'}")
    if audio := [name for name in _AUDIO if name in formats]:
        _sounds(rolls, out, audio)


def _sounds(rolls: list[Roll], out: Path, suffixes: list[str]) -> None:
    from bgmusic.music import sound
    from bgmusic.music.sampling import one_after_another

    def write(name: str, roll: Roll) -> None:
        audio = sound.render(roll, sound.DEFAULT_RATE, synth="auto")
        for suffix in suffixes:
            sound.write_audio(out / f"{name}.{suffix}", audio, sound.DEFAULT_RATE)

    for index, roll in enumerate(rolls):
        write(f"phrase-{index:04d}", roll)
    first, names = suffixes[0], f"phrase-0000.{suffixes[0]}"
    try:
        write("all", one_after_another(rolls))
    except UserError as error:  # so many that together they are too long
        typer.echo(f"{len(rolls)} phrases as sound: {out / names} and so on; none with all: {error}")
    else:
        typer.echo(f"{len(rolls)} phrases as sound: {out / f'all.{first}'}, and {names} and so on beside it")
