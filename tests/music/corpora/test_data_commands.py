"""The commands ``bgmusic data build``, ``list``, ``info`` and ``export``, from a user's folder to a MIDI file."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import muspy
import pretty_midi
import pytest
import symusic
from music_maker import song, write_songs

from bgmusic.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    try:
        main([*args])
        code = 0
    except SystemExit as done:
        code = int(done.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_an_exported_phrase_is_read_alike_by_other_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out, file = write_songs(tmp_path / "songs", range(3), bars=6), tmp_path / "out", tmp_path / "phrase.mid"
    code, text, _ = run(capsys, "data", "build", str(songs), "--out", str(out), "--tracks", "lpd-5")
    assert code == 0
    assert "phrases: 9 of 4 bars of 4/4" in text
    assert "onset 0.00%" in text
    code, text, _ = run(capsys, "data", "export", str(out), "--index", "4", "--out", str(file))
    assert (code, text) == (0, f"{file}: bars 2 to 5 of songs/song001.mid\n")

    # The second phrase of song 1 begins a bar later; drums are hits, and a note that sounds on begins with the phrase.
    expected = []
    for track in song(1, bars=6).tracks:
        for note in track.notes:
            start, end = (note.start - 1920) / 480, (note.end - 1920) / 480
            start, end = max(start, 0.0), min(start + 1 / 12 if track.is_drum else end, 16.0)
            if end > start and (note.start >= 1920 or not track.is_drum):
                expected.append((track.is_drum, track.program, note.pitch, round(start, 3), round(end - start, 3)))
    expected.sort()

    by_symusic = symusic.Score(str(file))
    beat = by_symusic.tpq
    assert expected == sorted(
        (t.is_drum, t.program, n.pitch, round(n.start / beat, 3), round(n.duration / beat, 3))
        for t in by_symusic.tracks
        for n in t.notes
    )
    by_muspy = muspy.read_midi(file)
    assert expected == sorted(
        (
            t.is_drum,
            t.program,
            n.pitch,
            round(n.time / by_muspy.resolution, 3),
            round(n.duration / by_muspy.resolution, 3),
        )
        for t in by_muspy.tracks
        for n in t.notes
    )
    by_pretty_midi = pretty_midi.PrettyMIDI(str(file))
    heard = sorted(
        (i.is_drum, i.program, n.pitch, n.start * 90 / 60, (n.end - n.start) * 90 / 60)
        for i in by_pretty_midi.instruments
        for n in i.notes
    )
    assert [row[:3] for row in heard] == [row[:3] for row in expected]
    assert [row[3:] for row in heard] == [pytest.approx(row[3:], abs=2e-3) for row in expected]
    assert abs(by_pretty_midi.synthesize(fs=8000)).max() > 0.1


def test_list_and_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs = write_songs(tmp_path / "songs", range(3))
    (songs / "broken.mid").write_bytes(b"?")
    run(capsys, "data", "build", str(songs), "--out", str(tmp_path / "mine"), "--hop", "2", "--splits", "1,0,0")
    code, text, _ = run(capsys, "data", "list", str(tmp_path))
    assert code == 0
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    assert lines[str(tmp_path / "mine")] == "9 phrases of 4 bars, lpd-5, 12 steps per beat, encoding onset"
    code, text, _ = run(capsys, "data", "info", str(tmp_path / "mine"))
    assert code == 0
    for part in ("phrases: 9", "hop 2", "Drums, Piano, Guitar, Bass, Strings", "train 9 of 3 pieces", "broken.mid: "):
        assert part in text


def test_archives_can_be_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs = write_songs(tmp_path / "songs", range(4))
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as archive:
        for file in songs.iterdir():
            archive.write(file, f"songs/{file.name}")
    code, text, _ = run(capsys, "data", "build", str(tmp_path / "songs.zip"), "--out", str(tmp_path / "out"))
    assert code == 0
    assert "from 4 pieces" in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("build", "nowhere", "--out", "o"), "no source 'nowhere'"),
        (("build", ".", "--out", "o", "--tracks", "none"), "no track set 'none'"),
        (("build", ".", "--out", "o", "--encoding", "best"), "encoding"),
        (("build", ".", "--out", "o", "--metre", "four"), "metre 'four'"),
        (("build", ".", "--out", "o", "--splits", "1"), "splits"),
        (("build", ".", "--out", "o", "--jobs", "0"), "--jobs 0"),
        (("build", ".", "--out", "o", "--backend", "dask"), "--scheduler ADDRESS"),
        (("build", "muspy:none", "--out", "o"), "muspy has no dataset 'none'"),
        (("build", "music21:nobody", "--out", "o"), "music21 has no corpus 'nobody'"),
        (("info", "nowhere"), "no corpus 'nowhere'"),
        (("export", "bach", "--index", "999999", "--out", "x.mid"), "no 999999"),
        (("export", "bach", "--index", "0", "--out", "song000.mid/x.mid"), "song000.mid"),
        (("export", "bach", "--index", "0", "--out", "x.wav"), "x.wav"),
        (("list", "nowhere"), "no folder 'nowhere'"),
        (("build", "song000.mid", "--out", "o", "--metre", "3/4"), "--min-tracks"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    args: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_songs(tmp_path, range(1))
    code, out, err = run(capsys, "data", *args)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""


@pytest.mark.slow
def test_an_interrupted_build_command_resumes(tmp_path: Path) -> None:
    """Kill the command as soon as its first part is written, and run it again."""
    songs, out = write_songs(tmp_path / "songs", range(200), bars=24), tmp_path / "out"
    command = [sys.executable, "-m", "bgmusic.cli.main", "data", "build", str(songs), "--out", str(out)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not list(out.glob(".building/part-*.bin")):
        time.sleep(0.001)
    first.kill()
    first.wait()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "from 200 pieces" in again.stdout
    assert not (out / ".building").exists()
