"""``bgmusic data check``: a report for each usable file, and one line for each other file."""

from __future__ import annotations

from pathlib import Path

from command_line import bgmusic

from bgmusic.files import data_dir

SONG = data_dir() / "midi" / "freedoom" / "freedoom1_D_E1M4.mid"
ODD = Path(__file__).parents[1] / "data" / "midi_odd"


def run(capsys, *args):
    code = bgmusic("data", "check", *args)
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def test_a_song_is_described(capsys):
    code, out, err = run(capsys, SONG)
    assert (code, err) == (0, [])
    assert out[0] == f"{SONG}:"
    form = "form: bars: 85 (85 in 4/4); 80 beats per minute; phrases of 4 bars in 4/4 in which"
    assert f"  {form} 3 or more tracks play (--min-tracks): 80" in out
    assert any(line.startswith("  notes: Drums ") for line in out)
    assert any("100% of onsets" in line for line in out)
    assert any(line.startswith("  lost: ") for line in out)


def test_the_number_of_phrases_equals_that_of_a_build(capsys, tmp_path):
    song = data_dir() / "midi" / "freedoom" / "freedoom1_D_E1M5.mid"
    _, few, _ = run(capsys, song)
    _, many, _ = run(capsys, song, "--min-tracks", 1)
    assert any("in which 3 or more tracks play (--min-tracks): 0" in line for line in few)
    bgmusic("data", "build", song, "--out", tmp_path, "--min-tracks", 1)
    (count,) = (line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("phrases: "))
    assert any(f"in which 1 or more tracks play (--min-tracks): {count}" in line for line in many)
    assert any("in 3/4" in line for line in run(capsys, song, "--metre", "3/4")[1])


def test_folders_are_searched_for_midi_files(capsys, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "song.mid").write_bytes(SONG.read_bytes())
    (tmp_path / "readme.txt").write_text("no music")
    code, out, _ = run(capsys, tmp_path)
    assert (code, out[0]) == (0, f"{tmp_path / 'below' / 'song.mid'}:")
    (tmp_path / "below" / "song.mid").unlink()
    assert run(capsys, tmp_path)[2][0].startswith("bgmusic: error: no MIDI file")


def test_repairs_and_unusable_files_are_reported(capsys):
    code, out, _ = run(capsys, ODD / "gzipped.mid", ODD / "note_never_off.mid", ODD / "empty_file.mid", "no-such-file")
    assert code == 0
    assert sum(line.startswith("  repaired: ") for line in out) == 2
    assert f"{ODD / 'empty_file.mid'}: unusable: empty" in out
    assert "no-such-file: unusable: No such file or directory" in out


def test_music_off_the_beat_is_reported(capsys):
    _, out, _ = run(capsys, data_dir() / "midi" / "freedoom" / "freedoom2_D_DEAD.mid")
    assert any("beat" in line for line in out)


def test_no_usable_file_is_exit_code_2(capsys):
    code, out, err = run(capsys, ODD / "empty_file.mid", ODD / "no_notes.mid")
    assert code == 2
    assert len(out) == 2
    assert len(err) == 1
    assert "2 files" in err[0]


def test_parts_that_do_not_fit_the_track_set_are_reported(capsys):
    code, out, _ = run(capsys, SONG, "--tracks", "satb")
    assert code == 2
    assert "4 parts" in out[0]
    code, _, err = run(capsys, SONG, "--tracks", "lpd-6")
    assert (code, "'lpd-6'" in err[0]) == (2, True)


def test_parts_without_a_track_are_listed(capsys, tmp_path):
    drums = tmp_path / "drums.yaml"
    drums.write_text("{name: drums, tracks: [{name: Drums, program: 0, is_drum: true}]}")
    code, out, _ = run(capsys, SONG, "--tracks", drums)
    (line,) = [line for line in out if line.startswith("  without a track: ")]
    assert code == 0
    assert "(program " in line
    assert "percussion" not in line
