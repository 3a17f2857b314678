"""``bgmusic data check``: one line for each file that is no music, the truth about the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgmusic.cli.main import main
from bgmusic.files import data_dir

SONG = data_dir() / "midi" / "freedoom" / "freedoom1_D_E1M4.mid"
ODD = Path(__file__).parent.parent / "data" / "midi_odd"


def run(capsys, *args):
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", *map(str, args)])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out.splitlines(), captured.err.splitlines()


def test_a_song(capsys):
    code, out, err = run(capsys, SONG)
    assert (code, err) == (0, [])
    assert out[0] == f"{SONG}:"
    assert any("bars: 85 (85 in 4/4); 80 beats a minute; phrases of 4 bars in 4/4: 82" in line for line in out)
    assert any(line.startswith("  notes: Drums ") for line in out)
    assert any("100% of onsets" in line for line in out)
    assert any(line.startswith("  lost: ") for line in out)


def test_what_is_wrong_is_said(capsys):
    code, out, _ = run(capsys, ODD / "gzipped.mid", ODD / "note_never_off.mid", ODD / "empty_file.mid", "no-such-file")
    assert code == 0
    assert "  mended: gzip'd" in out
    assert "  mended: notes that nothing ends: 1" in out
    assert f"{ODD / 'empty_file.mid'}: unusable: empty" in out
    assert "no-such-file: unusable: No such file or directory" in out


def test_a_piece_without_a_beat(capsys):
    _, out, _ = run(capsys, data_dir() / "midi" / "freedoom" / "freedoom2_D_DEAD.mid")
    assert any("too few, the notes follow no beat" in line for line in out)


def test_no_usable_file_is_exit_code_2(capsys):
    code, out, err = run(capsys, ODD / "empty_file.mid", ODD / "no_notes.mid")
    assert code == 2
    assert len(out) == 2
    assert err == ["bgmusic: error: none of 2 files is usable"]


def test_parts_that_do_not_fit_the_track_set(capsys):
    code, out, _ = run(capsys, SONG, "--tracks", "satb")
    assert code == 2
    assert "needs 4 parts, the piece has" in out[0]
    code, _, err = run(capsys, SONG, "--tracks", "lpd-6")
    assert (code, "no track set 'lpd-6'" in err[0]) == (2, True)
