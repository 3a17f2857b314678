"""What was not saved when the studio ended is kept, and earlier files are not overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgmusic.studio.session import Session
from bgmusic.studio.unsaved import unsaved_projects


def edited(composers, path, title="Mine"):
    session = Session(composers, path)
    session.apply([{"do": "title", "title": title}])
    return session


def test_what_was_not_saved_is_kept(composers, tmp_path):
    path = tmp_path / "mine.bgstudio"
    session = Session(composers, path)
    assert session.close() is None  # nothing was done
    session.apply([{"do": "title", "title": "Mine"}])
    session.save()
    assert session.close() is None
    session.apply([{"do": "add", "notes": [[0, 0, 4, 60]]}])
    assert session.close() == tmp_path / "mine.unsaved.bgstudio"
    assert len(Session(composers, tmp_path / "mine.unsaved.bgstudio").state.notes) == 1
    assert not len(Session(composers, path).state.notes)


@pytest.mark.parametrize("name", ["[my] song.bgstudio", "song", None])
def test_earlier_files_are_not_overwritten(composers, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    project = name and Path(name)
    assert unsaved_projects(project) == []
    titles = ["first", "second", "third"]
    kept = [edited(composers, project, title).close() for title in titles]
    assert [Session(composers, path).state.title for path in kept] == titles
    assert unsaved_projects(project) == kept
    assert kept[0] not in unsaved_projects(kept[0])


def test_a_piece_that_was_only_begun_or_opened_is_not_kept(composers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = edited(composers, None)
    content = session.project()
    session.new("voices", 2)
    assert session.close() is None
    session.open(content)
    assert session.close() is None
    session.undo()
    assert session.close() == Path("piece.unsaved.bgstudio")


def test_a_project_whose_folder_is_gone_is_kept_elsewhere(composers, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / "gone"
    folder.mkdir()
    session = edited(composers, folder / "mine.bgstudio")
    folder.rmdir()
    assert session.close() == tmp_path / "mine.unsaved.bgstudio"
