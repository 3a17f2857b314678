"""Test atomic writes, the limits of npz files, and the paths of data and presets."""

from __future__ import annotations

import errno
import os
import resource
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from children import call

from bgmusic.errors import UserError
from bgmusic.files import append_bytes, atomic_write, configs_dir, data_dir, read_npz, write_bytes, write_text


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old ü")
    assert path.read_text(encoding="utf-8") == "old ü"
    with atomic_write(path) as file:
        file.write(b"ne")
        file.flush()
        assert path.read_text(encoding="utf-8") == "old ü"
        file.write(b"w")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_an_error_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(error: type[BaseException]) -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail(error)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_the_error_of_a_missing_folder_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "none" / "file"
    for write in (write_bytes, append_bytes):
        with pytest.raises(FileNotFoundError) as error:
            write(path, b"")
        assert error.value.filename == str(path)


def _fill_the_disk(folder: Path) -> None:
    # With a limit on file sizes a write fails half-way, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    for write in (write_bytes, append_bytes):
        with pytest.raises(OSError, match="too large") as error:
            write(folder / "file", b"x" * 5000)
        assert error.value.errno == errno.EFBIG
        assert error.value.filename == str(folder / "file")
        if write is write_bytes:
            assert (folder / "file").read_bytes() == b"old"
            assert os.listdir(folder) == ["file"]


def test_a_full_disk_keeps_the_old_file_and_is_reported(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    assert call(_fill_the_disk, tmp_path) == 0


def test_the_error_of_another_file_keeps_its_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, atomic_write(tmp_path / "file"):
        (tmp_path / "other").read_bytes()
    assert error.value.filename == str(tmp_path / "other")


def test_data_and_presets_are_found() -> None:
    assert (data_dir() / "mnist").is_dir()
    assert (configs_dir() / "mnist" / "paper.yaml").is_file()


def test_read_npz_reads_the_given_arrays_within_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(5), y=np.zeros(10**6, np.uint8))
    arrays = read_npz(path, ["x"])
    np.testing.assert_array_equal(arrays["x"], np.arange(5))
    with pytest.raises(UserError, match="more than"):
        read_npz(path, ["x", "y"], limit=10**5)  # of y: its unpacked size, which is a thousand times that on disk
    with pytest.raises(UserError, match=r"a\.npz: .* z "):
        read_npz(path, ["z"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # numpy accepts a member without .npy too
        with archive.open("x", "w") as file:
            np.save(file, np.zeros(10**6, np.uint8))
        archive.writestr("words", b"hello")
    with pytest.raises(UserError, match="more than"):
        read_npz(path, ["x"], limit=10**5)
    with pytest.raises(UserError, match=r"a\.npz: .* words "):
        read_npz(path, ["words"])


def test_a_symbolic_link_is_replaced_and_its_target_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("kept")
    link.symlink_to(target)
    write_text(link, "new")
    assert not link.is_symlink()
    assert link.read_text() == "new"
    assert target.read_text() == "kept"


def test_a_pipe_is_written_to_and_kept(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(pipe.read_bytes)
        write_text(link, "through")
        assert read.result(timeout=300) == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert sorted(tmp_path.iterdir()) == [link, pipe]
    assert link.is_symlink()
