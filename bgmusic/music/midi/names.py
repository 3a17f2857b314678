"""Decode the names in MIDI files, which declare no encoding."""

from __future__ import annotations

import re

_MAX_NAME = 256  # characters
_KANA_OR_WORDS = re.compile("[\u3040-\u30ff]|[\u4e00-\u9fff]{2}")


def decode_name(content: bytes) -> str:
    """Decode a name for showing: UTF-8, else Shift-JIS if that gives Japanese, else Windows-1252 or Latin-1.

    Control characters are dropped, and characters after the first 256.
    """
    if content.isascii() and (text := content.decode("ascii")).isprintable():
        return text[:_MAX_NAME].strip()
    text = _decode(content)
    return "".join(character for character in text if character.isprintable())[:_MAX_NAME].strip()


def _decode(content: bytes) -> str:
    text = _try(content, "utf-8")
    if text is not None:
        return text
    # Bytes 0x80 to 0x9f are control characters in Latin-1. They are the most frequent ones in Shift-JIS, and quotation
    # marks and the like in Windows-1252.
    if any(0x80 <= byte < 0xA0 for byte in content):
        japanese = _try(content, "cp932")
        if japanese is not None and _KANA_OR_WORDS.search(japanese):
            return japanese
        western = _try(content, "cp1252")
        if western is not None:
            return western
    return content.decode("latin-1")


def _try(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None
