"""Write generated music in all formats, and report the files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bgmusic.errors import UserError

if TYPE_CHECKING:
    from bgmusic.music.midi.song import Song
    from bgmusic.music.rolls.roll import Roll

FORMATS = ("mid", "png", "npz", "wav", "flac", "ogg", "mp3", "musicxml", "svg")
DEFAULT = ("mid", "png", "npz")
_AUDIO = ("wav", "flac", "ogg", "mp3")
_SCORES = ("musicxml", "svg")
_LINE = 16  # bars; longer music is drawn in several lines
_PICTURED = 64


def parse_formats(text: str | None, known: Sequence[str] = FORMATS) -> list[str] | None:
    """Parse a list of formats such as ``mid,png``; None for None.

    Raises:
        UserError: a format is unknown.

    """
    if text is None:
        return None
    names = [name.strip().lower().removeprefix(".") for name in text.split(",")]
    check_formats(names, known)
    return names


def check_formats(names: Sequence[str], known: Sequence[str]) -> None:
    """Check that all formats are known.

    Raises:
        UserError: one is not.

    """
    for name in names:
        if name not in known:
            raise UserError(f"--format: {name!r} is none of {', '.join(known)}")


def require_libraries(formats: Sequence[str]) -> None:
    """Check, before composing, that the libraries of the formats are installed.

    Raises:
        UserError: one is missing.

    """
    if any(suffix in formats for suffix in _SCORES):
        from bgmusic.music.score.libraries import require_music21, require_verovio

        require_music21()
        if "svg" in formats:
            require_verovio()


def require_short(formats: Sequence[str], seconds: float) -> None:
    """Check, before composing, that music of ``seconds`` can be rendered in the audio formats asked for.

    Raises:
        UserError: it is too long.

    """
    if not any(suffix in formats for suffix in _AUDIO):
        return
    from bgmusic.music import sound
    from bgmusic.music.sound.rendering import format_duration, max_seconds

    longest = max_seconds(sound.DEFAULT_RATE)
    if seconds > longest:
        raise UserError(
            f"{format_duration(seconds)} of sound are more than the {format_duration(longest)} that can be rendered: "
            "write mid, and render its beginning with bgmusic render --seconds"
        )


def write_music(
    rolls: Sequence[Roll],
    out: Path,
    formats: Sequence[str],
    name: str,
    *,
    about: Mapping[str, Any],
    songs: Sequence[Song] | None = None,
    first: int = 0,
) -> None:
    """Write rolls of one shape in all formats, one file each and one with all, and print the paths.

    Args:
        rolls: one or more.
        out: output folder, created if need be.
        formats: names from ``FORMATS``.
        name: stem of the file names: ``phrase``, ``piece``, ...
        about: more values for ``meta`` in the npz.
        songs: songs to write as MIDI and audio instead of the rolls; then no file with all is written.
        first: number of the first one, in the file names.

    Raises:
        UserError: the music is too long for a format.
        OSError: a file can't be written.

    """
    from bgmusic.music.rolls.joining import join_with_rests
    from bgmusic.music.rolls.midi_files import write_midi
    from bgmusic.music.rolls.phrase_files import write_phrases
    from bgmusic.music.rolls.phrases import stack_rolls

    out.mkdir(parents=True, exist_ok=True)
    before = _own_files(out)
    many = f"{len(rolls)} {name}{'s' * (len(rolls) > 1)}"
    stems = [f"{name}-{number:04d}" for number in range(first, first + len(rolls))]
    heard: Sequence[Roll | Song] = songs or rolls
    if "npz" in formats:
        axes = ["phrase", "track", "bar", "step", "pitch"]
        write_phrases(
            stack_rolls(rolls), out / "rolls.npz", bars=rolls[0].bars, steps=rolls[0].steps, axes=axes, **about
        )
        typer.echo(f"{many}: {out / 'rolls.npz'}")
    if "mid" in formats:
        for stem, music in zip(stems, heard, strict=True):
            write_midi(music, out / f"{stem}.mid")
        if songs is None:
            write_midi(join_with_rests(list(rolls)), out / "all.mid")
        typer.echo(f"{many} as MIDI: {_where(out, stems, 'mid', songs is None)}")
    if "png" in formats:
        _picture(rolls, out / "rolls.png")
    if audio := [suffix for suffix in _AUDIO if suffix in formats]:
        _sounds(heard, out, f"{many} as sound", stems, audio, None if songs else rolls)
    for suffix in _SCORES:
        if suffix in formats:
            _scores(rolls, out, stems, suffix)
    _mention_older(out, before)


def _own_files(out: Path) -> dict[str, tuple[int, int]]:
    """Return the music in a folder that commands wrote, by name, with what changes when a file is written again."""
    ours = re.compile(rf"((phrase|piece|step|accompaniment)-\d{{4,}}|all|rolls)\.({'|'.join(FORMATS)})")
    found = ((path.name, path.stat()) for path in out.iterdir() if ours.fullmatch(path.name))
    return {name: (about.st_ino, about.st_mtime_ns) for name, about in found}


def _mention_older(out: Path, before: Mapping[str, tuple[int, int]]) -> None:
    """Mention files in the folder that were there before, and were not written again."""
    now = _own_files(out)
    older = sorted(name for name, about in before.items() if now.get(name) == about)
    if older:
        which = older[0] if len(older) == 1 else f"{older[0]} to {older[-1]}"
        typer.echo(f"Left from an earlier command: {which} in {out}")


def _where(out: Path, stems: Sequence[str], suffix: str, joined: bool) -> str:
    beside = f"{stems[0]}.{suffix}" + (" and so on" if len(stems) > 1 else "")
    return f"{out / f'all.{suffix}'}, and {beside} beside it" if joined else str(out / beside)


def _picture(rolls: Sequence[Roll], path: Path) -> None:
    from bgmusic.music.pictures import save_rolls
    from bgmusic.music.rolls.joining import split_lines

    if len(rolls) == 1:
        rolls[0].save(path)
        typer.echo(f"Picture: {path}")
        return
    if rolls[0].bars > _LINE:
        length = -(-rolls[0].bars // -(-rolls[0].bars // _LINE))  # lines of similar length
        shown = save_rolls(path, [line for roll in rolls for line in split_lines(roll, length)][:_PICTURED], columns=1)
        typer.echo(f"Picture, {length} bars a line, {shown} lines: {path}")
        return
    shown = save_rolls(path, rolls[:_PICTURED], columns=max(1, _LINE // rolls[0].bars))
    typer.echo(f"Picture of {shown}: {path}")


def _scores(rolls: Sequence[Roll], out: Path, stems: Sequence[str], suffix: str) -> None:
    """Write one score for each roll; mention those that cannot be written, the others are there."""
    from bgmusic.cli.progress import progress_bar

    left_out = []
    with progress_bar("Engraving", len(rolls)) as progress:
        for stem, roll in zip(stems, rolls, strict=True):
            try:
                roll.save(out / f"{stem}.{suffix}")
            except UserError as error:
                left_out.append(f"no {stem}.{suffix}: {error}")
            progress(1)
    for line in left_out:
        typer.echo(line)
    if written := len(rolls) - len(left_out):
        typer.echo(f"{written} score{'s' * (written > 1)}: {_where(out, stems, suffix, False)}")


def _sounds(
    heard: Sequence[Roll | Song],
    out: Path,
    what: str,
    stems: Sequence[str],
    suffixes: list[str],
    joined: Sequence[Roll] | None,
) -> None:
    from bgmusic.cli.progress import progress_bar
    from bgmusic.music import sound
    from bgmusic.music.rolls.joining import join_with_rests

    def write(stem: str, music: Roll | Song) -> None:
        audio = sound.render(music, sound.DEFAULT_RATE, synth="auto")
        for suffix in suffixes:
            sound.write_audio(out / f"{stem}.{suffix}", audio, sound.DEFAULT_RATE)

    with progress_bar("Playing", len(heard)) as progress:
        for stem, music in zip(stems, heard, strict=True):
            write(stem, music)
            progress(1)
        if joined is not None:
            try:
                write("all", join_with_rests(list(joined)))
            except UserError as error:  # together they are too long
                where = _where(out, stems, suffixes[0], False)
                typer.echo(f"{what}: {where}; no file with all of them: {error}")
                return
    typer.echo(f"{what}: {_where(out, stems, suffixes[0], joined is not None)}")
