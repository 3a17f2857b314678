"""The site: these pages, and the reference taken from the package's docstrings. Built by `make docs`."""

import importlib
import importlib.metadata
import pkgutil
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "bgmusic"
author = "the authors of bgmusic"
release = importlib.metadata.version("bgmusic")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3  # links to headings work as they do on GitHub
html_theme = "furo"  # needs no font and no script from elsewhere
html_title = "bgmusic"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
maximum_signature_line_length = 88  # longer ones take a line for each parameter

# A reference to something of ours that isn't there fails the build. Names of other packages, and our own private and
# type-variable names, which annotations mention, are no links.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!bgmusic\b).*"),
    ("py:class", r"bgmusic\.(\w+\.)*(_\w+|AnyConfig|Result|Number|Annotated)"),
]

# An annotation's short name that two of our classes bear leads to one of them; that is no mistake in the source.
suppress_warnings = ["ref.python"]

# The README is the first page. Its links to files that the site has as pages lead there; those to other files of the
# repository are plain words on a site, but a link to nothing fails the build.
PAGES = {
    "examples/results/binarygan/results.md": "binarygan.md",
    "examples/results/bmusegan-bach/results.md": "bmusegan-bach.md",
    "examples/results/bmusegan-freedoom/results.md": "bmusegan-freedoom.md",
    "data/README.md": "data.md",
}


def _link(found: re.Match[str]) -> str:
    image, words, target = found.groups()
    if image:
        return f"![{words}](../{target})"
    if target.startswith("docs/"):
        return f"[{words}]({target.removeprefix('docs/')})"
    if target in PAGES:
        return f"[{words}]({PAGES[target]})"
    return words if (ROOT / target).exists() else found.group()


def _modules(found: re.Match[str]) -> str:
    """A section for each public module of a package, but those that another page has."""
    package, _, others = found.group(1).partition(" but ")
    left_out = tuple(f"{package}.{name}" for name in others.split())
    names = [package]
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.rpartition(".")[2].startswith("_") and not (left_out and module.name.startswith(left_out)):
            names.append(module.name)
    section = "## {0}\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n   :show-inheritance:\n```\n"
    return "\n".join(section.format(name) for name in names)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    if page == "index":
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        readme = re.sub(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)]+)\)", _link, readme)
        source[0] = source[0].replace("<!-- README -->", readme)
    source[0] = re.sub(r"<!-- modules of (.*?) -->", _modules, source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)
