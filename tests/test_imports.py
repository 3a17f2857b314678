"""Importing bgmusic, reading MIDI files and working with rolls must not load torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "bgmusic"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for folder in ("music/midi", "music/rolls")
    for path in (PACKAGE / folder).rglob("*.py")
)
STATEMENTS = {
    "the package": "import bgmusic",
    "the public names": "from bgmusic.music import read_midi, Roll, TrackSet, write_midi, quantise, Song, StepNotes",
    "all of midi and rolls": f"import {', '.join(MODULES)}",
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_torch_is_not_loaded(statement):
    code = f"import sys; {statement}; print(*sorted({{'torch', 'PIL', 'symusic', 'muspy'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert result.stdout.split() == []


def test_reading_and_saving_load_no_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bgmusic.files import data_dir\n"
        "from bgmusic.music import Roll, TrackSet, read_midi\n"
        "song = read_midi(sorted((data_dir() / 'midi' / 'freedoom').glob('*.mid'))[1])\n"
        "piece = Roll.from_phrase(__import__('bgmusic').music.quantise(song, TrackSet.load('lpd-5'), 12), 0, 2)\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "for suffix in ('.mid', '.npz', '.png', '.wav'):\n"
        "    piece.save(folder / f'piece{suffix}')\n"
        "print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    assert result.stdout.split() == ["False"]


def test_unknown_names_are_attribute_errors():
    import bgmusic.music

    assert {"Roll", "read_midi"} <= set(dir(bgmusic.music))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bgmusic.music.nothing  # noqa: B018
