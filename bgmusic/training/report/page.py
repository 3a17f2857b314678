"""Self-contained HTML pages: one file with style, pictures and sound in it, that works offline and runs no script."""

from __future__ import annotations

import base64
from math import isfinite
from pathlib import Path
from typing import Any

_TEMPLATES = Path(__file__).parent / "templates"


def page(templates: Path, name: str, **values: Any) -> str:
    """The page that a template makes of some values.

    ``templates`` is the folder with the template ``name``; it extends ``base.html``, which every page shares. All
    text is escaped, wherever it comes from: names and configs of runs are anyone's.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    known = Environment(
        loader=FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known.filters |= {"number": number, "share": share}
    return known.get_template(name).render(**values) + "\n"


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of a file as an address that holds them; ``kind`` is a MIME type such as ``image/png``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def number(value: float | None) -> str:
    """Three digits of a number, three decimals at most; a dash for none."""
    if value is None or not isfinite(value):
        return "–"  # noqa: RUF001 (a dash as tables have it)
    return (
        f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}" if not 0 < abs(value) < 0.1 else f"{value:.3f}"
    )


def share(value: float | None) -> str:
    """A share in percent; a dash for none."""
    return "–" if value is None or not isfinite(value) else f"{value:.0%}"  # noqa: RUF001
