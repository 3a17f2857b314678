"""Resume killed and interrupted builds, repair damaged parts, and replace a corpus only on request."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from music_maker import LPD5, SETTINGS, content, song, write_songs

from bgmusic.errors import UserError
from bgmusic.music.corpora import build as build_module
from bgmusic.music.corpora.build import BUILDING, build_corpus
from bgmusic.music.corpora.corpus import open_corpus
from bgmusic.music.corpora.settings import Settings


def _killed_build(songs: str, out: str) -> None:
    write = build_module._write_part
    build_module.CHUNK_ENTRIES = 2

    def write_two(path: Path, part: list[bytes]) -> None:
        write(path, part)
        if path.name.endswith("000001.bin"):
            os.kill(os.getpid(), signal.SIGKILL)

    build_module._write_part = write_two
    build_corpus([songs], Path(out), SETTINGS)


@pytest.mark.slow
def test_a_killed_build_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CHUNK_ENTRIES", 2)
    songs, out = write_songs(tmp_path / "songs", range(8)), tmp_path / "out"
    process = multiprocessing.get_context("spawn").Process(target=_killed_build, args=(str(songs), str(out)))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    parts = sorted((out / BUILDING).glob("part-*.bin"))
    assert len(parts) == 2
    assert not (out / "meta.json").exists()

    seen: list[int] = []
    made: list[int] = []
    make = build_module.make_part

    def counted(chunk, settings):  # type: ignore[no-untyped-def]
        made.append(len(chunk))
        return make(chunk, settings)

    monkeypatch.setattr(build_module, "make_part", counted)
    build_corpus([str(songs)], out, SETTINGS, progress=lambda done, total: seen.append(done))
    assert made == [2, 2]
    assert seen == [4, 6, 8]
    build_corpus([str(songs)], tmp_path / "whole", SETTINGS)
    assert content(out) == content(tmp_path / "whole")


def _stopped_before_its_end(songs: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Interrupt a build after its last part; return the parts."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build_module.Assembly, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            build_corpus([str(songs)], out, SETTINGS, overwrite=True)
    return sorted((out / BUILDING).glob("part-*.bin"))


@pytest.mark.parametrize("damage", ["emptied", "zeroed", "cut off", "one bit"])
def test_a_damaged_part_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setattr(build_module, "CHUNK_ENTRIES", 2)
    songs, out = write_songs(tmp_path / "songs", range(6)), tmp_path / "out"
    part = _stopped_before_its_end(songs, out, monkeypatch)[1]
    whole = part.read_bytes()
    middle = len(whole) // 2
    part.write_bytes(
        {
            "emptied": b"",
            "zeroed": bytes(len(whole)),
            "cut off": whole[:middle],
            "one bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }[damage]
    )
    seen: list[int] = []
    build_corpus([str(songs)], out, SETTINGS, progress=lambda done, total: seen.append(done))
    assert seen == [4, 6]
    build_corpus([str(songs)], tmp_path / "whole", SETTINGS)
    assert content(out) == content(tmp_path / "whole")


def test_the_old_corpus_stays_until_the_new_one_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    songs, out = write_songs(tmp_path / "songs", range(2)), tmp_path / "out"
    build_corpus([str(songs)], out, SETTINGS)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    song(9).dump_midi(str(songs / "another.mid"))
    assert _stopped_before_its_end(songs, out, monkeypatch)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_a_build_with_other_settings_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    songs, out = write_songs(tmp_path / "songs", range(2)), tmp_path / "out"
    assert _stopped_before_its_end(songs, out, monkeypatch)
    build_corpus([str(songs)], out, Settings.create(LPD5, 4))
    assert open_corpus(out).resolution == 4
    assert not (out / BUILDING).exists()


def test_a_corpus_is_overwritten_only_on_request(tmp_path: Path) -> None:
    songs, out = write_songs(tmp_path / "songs", range(1)), tmp_path / "out"
    build_corpus([str(songs)], out, SETTINGS)
    with pytest.raises(UserError, match="already holds a corpus"):
        build_corpus([str(songs)], out, SETTINGS)
    (out / "features.npy").write_text("somebody's")
    build_corpus([str(songs)], out, Settings.create(LPD5, 12, hop=4), overwrite=True, compress=True)
    assert (out / "features.npy").read_text() == "somebody's"
    (out / "features.npy").unlink()
    assert open_corpus(out).settings.hop == 4
    assert {path.suffix for path in out.iterdir()} == {".xz", ".json"}
