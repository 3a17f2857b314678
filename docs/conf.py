"""Sphinx configuration: these pages, and a reference from the docstrings of the package. Built by `make docs`."""

import importlib
import importlib.metadata
import os
import pkgutil
import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

project = "bgmusic"
author = "the authors of bgmusic"
release = importlib.metadata.version("bgmusic")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3  # links to headings work as they do on GitHub
html_theme = "furo"  # loads no external fonts or scripts
html_title = "bgmusic"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
maximum_signature_line_length = 88  # longer ones take a line for each parameter

# A broken reference to a name of bgmusic fails the build. Names of other packages, and private names and type variables
# in annotations, are not links.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!bgmusic\b).*"),
    ("py:(class|obj)", r"bgmusic\.(\w+\.)*(_\w+|AnyConfig|AnyLoop|Result|Number|Annotated)"),
]

# Some short names in annotations fit two classes; Sphinx picks one, which is harmless.
suppress_warnings = ["ref.python"]

# Pages may show a file of the repository, such as README.md. Links to files that are also pages lead to these pages.
# Links to other files become plain words. A broken link stays as it is, and fails the build.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "data/README.md": "data.md",
    "examples/results/binarygan/results.md": "results/binarygan.md",
    "examples/results/bmusegan-bach/results.md": "results/bmusegan-bach.md",
    "examples/results/bmusegan-freedoom/results.md": "results/bmusegan-freedoom.md",
}


def _links(text: str, base: Path, folder: Path) -> str:
    """Make links of a text in folder ``base`` fit a page in ``folder``."""

    def link(found: re.Match[str]) -> str:
        image, words, target, anchor = found.groups(default="")
        file = (base / target).resolve()
        if not file.exists():
            return found.group()
        file = DOCS / PAGES.get(file.relative_to(ROOT).as_posix(), file)
        if not image and not file.is_relative_to(DOCS):
            return words
        return f"{image}[{words}]({os.path.relpath(file, folder)}{anchor})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#]+)(#[^)]*)?\)", link, text)


def _modules(found: re.Match[str]) -> str:
    """Return a section for each public module of a package; modules after "but" are left out."""
    package, _, others = found.group(1).partition(" but ")
    left_out = tuple(f"{package}.{name}" for name in others.split())
    names = [package]
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.rpartition(".")[2].startswith("_") and not (left_out and module.name.startswith(left_out)):
            names.append(module.name)
    section = "## {0}\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n   :show-inheritance:\n```\n"
    return "\n".join(section.format(name) for name in names)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    folder = (DOCS / page).parent

    def shown(found: re.Match[str]) -> str:
        file = ROOT / found.group(1)
        return _links(file.read_text(encoding="utf-8"), file.parent, folder)

    source[0] = _links(source[0], folder, folder)
    source[0] = re.sub(r"<!-- file (\S+) -->", shown, source[0])
    source[0] = re.sub(r"<!-- modules of (.*?) -->", _modules, source[0])


def setup(app: Sphinx) -> None:
    """Register the extension's event handlers."""
    app.connect("source-read", _read)
