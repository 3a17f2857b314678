"""Engrave rolls as SVG pictures of scores. Verovio engraves the MusicXML of the roll."""

from __future__ import annotations

from pathlib import Path

from bgmusic.errors import UserError
from bgmusic.files import write_bytes
from bgmusic.music.rolls.roll import Roll
from bgmusic.music.score.libraries import require_verovio
from bgmusic.music.score.musicxml import musicxml_bytes

_WIDTH, _MOST = 2100, 60000  # Verovio's units; 60000 is its longest page
_MOST_BARS = 256  # of five staves, some 200 fill a page; this only spares long music the wait
_OPTIONS = {
    "pageWidth": _WIDTH,
    "pageHeight": _MOST,
    "adjustPageHeight": True,
    "breaks": "auto",
    "scale": 40,
    "header": "none",
    "footer": "none",
    "svgViewBox": True,
    "xmlIdSeed": 1,  # the same ids in each run
}


def save_roll(path: str | Path, roll: Roll, bpm: float | None = None) -> None:
    """Write the score of a roll as an SVG picture, atomically: see :func:`svg_text`.

    Raises:
        UserError: music21 or Verovio is not installed, or the roll cannot be notated or is too long for one page.
        OSError: the file cannot be written.

    """
    write_bytes(path, svg_text(roll, bpm).encode())


def svg_text(roll: Roll, bpm: float | None = None) -> str:
    """Engrave a roll on one page, as long as need be.

    Args:
        roll: the roll.
        bpm: tempo in beats per minute; by default the roll's own.

    Returns:
        The SVG document.

    Raises:
        TypeError: ``roll`` is not a ``Roll``.
        UserError: music21 or Verovio is not installed, or the roll cannot be notated or is too long for one page.

    """
    if isinstance(roll, Roll) and roll.bars > _MOST_BARS:
        raise UserError(f"a score of {roll.bars} bars is too long for one picture: write .musicxml instead")
    require_verovio()
    import verovio

    data = musicxml_bytes(roll, bpm).decode()
    verovio.enableLog(verovio.LOG_OFF)
    # Verovio sets its fonts when it is imported, but for that thread alone.
    toolkit = verovio.toolkit(False)
    toolkit.setResourcePath(str(Path(verovio.__file__).parent / "data"))
    toolkit.setOptions(_OPTIONS)
    if not toolkit.loadData(data):
        raise UserError("Verovio cannot read the score of this roll")
    if toolkit.getPageCount() > 1:
        raise UserError(f"a score of {roll.bars} bars is too long for one picture: write .musicxml instead")
    return str(toolkit.renderToSVG(1))
