"""Render self-contained HTML pages: style, pictures and sound in one file, which works offline and runs no script."""

from __future__ import annotations

import base64
from math import isfinite
from pathlib import Path
from typing import Any

_TEMPLATES = Path(__file__).parent / "templates"


def page(templates: Path, name: str, **values: Any) -> str:
    """Render a template.

    All text is escaped, because names and configs of runs are untrusted input.

    Args:
        templates: folder of the template.
        name: file name of the template, which extends ``base.html``.
        values: variables of the template.

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
    """Return the bytes of a file as a data URI; ``kind`` is a MIME type such as ``image/png``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def number(value: float | None) -> str:
    """Format a number with three significant digits; a dash for None, NaN and infinity."""
    if value is None or not isfinite(value):
        return "–"  # noqa: RUF001
    return (
        f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}" if not 0 < abs(value) < 0.1 else f"{value:.3f}"
    )


def share(value: float | None) -> str:
    """Format a share in percent; a dash for None, NaN and infinity."""
    return "–" if value is None or not isfinite(value) else f"{value:.0%}"  # noqa: RUF001
