"""Keep projects that were not saved when the studio ended: ``song.unsaved.bgstudio``, ``song.unsaved-2.bgstudio``."""

from __future__ import annotations

import glob
import itertools
import tempfile
from pathlib import Path

from bgmusic.studio.history import History
from bgmusic.studio.project_file import SUFFIX, write_project


def unsaved_projects(project: Path | None) -> list[Path]:
    """Return the files of earlier sessions beside a project, or for None in the current folder; the oldest first."""
    project = project or _unnamed()
    found = project.parent.glob(f"{glob.escape(project.stem)}.unsaved*{glob.escape(project.suffix)}")
    return sorted((path for path in found if path != project), key=lambda path: (len(path.name), path.name))


def write_unsaved(history: History, project: Path | None) -> Path:
    """Write a project to a new file beside its own, or for None in the current folder, and return where.

    If that folder is gone or full, the file goes to the folder for temporary files.

    Raises:
        OSError: the file can't be written there either.

    """
    project = project or _unnamed()
    try:
        return _write(history, project)
    except OSError:
        return _write(history, Path(tempfile.gettempdir()) / project.name)


def _write(history: History, project: Path) -> Path:
    for number in itertools.count(1):
        again = f"-{number}" if number > 1 else ""
        path = project.with_name(f"{project.stem}.unsaved{again}{project.suffix}")
        try:
            path.touch(exist_ok=False)  # takes the name: two studios may end at once
        except FileExistsError:
            continue
        break
    try:
        write_project(history, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _unnamed() -> Path:
    return Path(f"piece{SUFFIX}")
