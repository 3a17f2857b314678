"""Read archives in place; skip malicious and damaged ones with a reason."""

import bz2
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from bgmusic.errors import UserError
from bgmusic.music.corpora.sources import open_sources
from bgmusic.music.corpora.sources.archives import TarSource, ZipSource
from bgmusic.music.corpora.sources.base import MAX_ENTRY_BYTES, Entry, Source, Unreadable, printable


def contents(word: Path) -> dict[str, bytes | str]:
    """Return the content of every entry by name, or the reason why it can't be read."""
    sources, _ = open_sources([str(word)])
    found: dict[str, bytes | str] = {}
    for source in sources:
        for entry in source.entries():
            found[entry.name] = _content(source, entry)
        source.close()
    return found


def _content(source: Source, entry: Entry) -> bytes | str:
    if entry.kind == "unusable":
        return entry.reason
    try:
        return source.read(entry)
    except Unreadable as error:
        return str(error)


def make_zip(path: Path, files: dict[str, bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:  # type: ignore[arg-type]
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


SONGS = {"a/one.mid": b"first", "b/two.MIDI": b"second", "three.mid.gz": b"third", "notes.txt": b"none", "r.npz": b"r"}
MUSIC = {name: content for name, content in SONGS.items() if name != "notes.txt"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_archives(tmp_path: Path, mode: str) -> None:
    path = make_tar(tmp_path / "songs.tar", SONGS, mode)
    assert contents(path) == {f"songs.tar/{name}": content for name, content in MUSIC.items()}


def test_zip_archives_and_any_suffix(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "songs.backup", SONGS)
    assert contents(path) == {f"songs.backup/{name}": content for name, content in MUSIC.items()}


def test_entries_are_read_with_gaps_and_in_order(tmp_path: Path) -> None:
    files = {f"{number}.mid": bytes([number]) * 1000 for number in range(9)}
    source = TarSource(make_tar(tmp_path / "songs.tgz", files, "w:gz"), "songs.tgz")
    entries = list(source.entries())
    assert [source.read(entries[number]) for number in (1, 4, 8)] == [files[f"{n}.mid"] for n in (1, 4, 8)]
    source.close()


@pytest.mark.parametrize("name", ["../out.mid", "/etc/out.mid", "a/../../out.mid", "..\\out.mid", "C:\\out.mid"])
def test_names_that_lead_out_of_the_archive_are_skipped(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for path in (make_zip(inside / "a.zip", {name: b"x"}), make_tar(inside / "a.tar", {name: b"x"})):
        (reason,) = contents(path).values()
        assert reason == "its name leads out of the archive"
    assert {path.name for path in tmp_path.rglob("*")} == {"inside", "a.zip", "a.tar"}


def test_links_and_devices_are_skipped(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("soft.mid", tarfile.SYMTYPE), ("hard.mid", tarfile.LNKTYPE), ("dev.mid", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert set(contents(tmp_path / "a.tar").values()) == {"a link or a device, no file"}


@pytest.mark.slow
def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = {f"{number}.mid": bytes(MAX_ENTRY_BYTES) for number in range(6)}
    found = contents(make_zip(tmp_path / "bomb.zip", bomb, compresslevel=9))
    assert len([name for name, content in found.items() if isinstance(content, bytes)]) <= 1
    assert "200-fold" in str(found["bomb.zip/..."])


@pytest.mark.slow
def test_a_tar_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = {f"{number}.mid": bytes(MAX_ENTRY_BYTES) for number in range(6)}
    found = contents(make_tar(tmp_path / "bomb.tar.xz", bomb, "w:xz"))
    assert len([name for name, content in found.items() if isinstance(content, bytes)]) <= 1
    assert "200-fold" in str(found["bomb.tar.xz/..."])


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    """An extended header declares its size, and tarfile would read it at once."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 33
    blocks = header.tobuf(tarfile.GNU_FORMAT) + bytes(4096)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(blocks))
    with pytest.raises(UserError, match="damaged"):
        open_sources([str(tmp_path / "a.tar.gz")])


@pytest.mark.slow
def test_large_files_are_not_read(tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 17
    found = contents(make_zip(tmp_path / "a.zip", {"large.mid": content}))
    assert "more than the 16,777,216" in str(found["a.zip/large.mid"])


def test_an_archive_within_an_archive_is_not_opened(tmp_path: Path) -> None:
    found = contents(make_zip(tmp_path / "a.zip", {"inner.zip": b"PK"}))
    assert found == {"a.zip/inner.zip": "an archive inside an archive is not opened"}


def test_the_complete_entries_of_a_truncated_tar_are_read(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "a.tar", {"1.mid": b"1" * 2000, "2.mid": b"2" * 2000}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:4000])
    found = contents(tmp_path / "cut.tar")
    assert found["cut.tar/1.mid"] == b"1" * 2000
    assert "ends inside it" in str(found["cut.tar/2.mid"])


def test_a_damaged_member_does_not_affect_others(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"1.mid": b"1" * 2000, "2.mid": os.urandom(2000)})
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    content[1500] ^= 0xFF
    path.write_bytes(content)
    found = contents(path)
    assert found["a.zip/1.mid"] == b"1" * 2000
    assert "damaged in its archive" in str(found["a.zip/2.mid"])


def test_a_wrong_declared_size_is_an_error(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"1.mid": b"1" * 2000})
    source = ZipSource(path, "a.zip")
    (entry,) = source.entries()
    source._members[0].file_size = 10
    with pytest.raises(Unreadable):
        source.read(Entry(entry.name, entry.kind, 10, entry.key))
    source.close()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", bz2.compress(b"no tar" * 99)])
def test_a_damaged_archive_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.zip is neither"):
        open_sources([str(tmp_path / "a.zip")])


def test_a_damaged_archive_in_a_folder_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.zip").write_bytes(b"none")
    (tmp_path / "in" / "b.mid").write_bytes(b"song")
    make_zip(tmp_path / "in" / "c.zip", {"d.mid": b"inner"})
    found = contents(tmp_path / "in")
    assert found["in/b.mid"] == b"song"
    assert found["in/c.zip/d.mid"] == b"inner"
    assert "neither a zip" in str(found["in/a.zip"])


def test_folders_are_walked_without_following_links_or_opening_pipes(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "deep" / "er").mkdir(parents=True)
    (top / "deep" / "er" / "a.mid").write_bytes(b"a")
    (top / "b.mid").write_bytes(b"b")
    (top / "text.txt").write_bytes(b"t")
    (top / "loop").symlink_to(top)
    (top / "c.mid").symlink_to(top / "b.mid")
    os.mkfifo(top / "pipe.mid")
    assert contents(top) == {"top/b.mid": b"b", "top/c.mid": b"b", "top/deep/er/a.mid": b"a"}
    assert open_sources([str(top)])[1] == {".txt": 1}


def test_files_that_change_or_vanish_are_skipped(tmp_path: Path) -> None:
    for name in ("changes.mid", "goes.mid"):
        (tmp_path / name).write_bytes(b"before")
    (source,), _ = open_sources([str(tmp_path)])
    entries = list(source.entries())
    (tmp_path / "changes.mid").write_bytes(b"afterwards")
    (tmp_path / "goes.mid").unlink()
    assert [_content(source, entry) for entry in entries] == [
        "the file changed while the corpus was built",
        "No such file or directory",
    ]


def test_printable_names() -> None:
    assert printable("a\nb\x1b[31m\udcff/é") == "a\\nb\\x1b[31m\\udcff/é"
    assert len(printable("x" * 10_000)) == 500


def test_unknown_sources_are_errors(tmp_path: Path) -> None:
    for word in (str(tmp_path / "none"), "music22:bach", ""):
        with pytest.raises(UserError, match="no source"):
            open_sources([word])
