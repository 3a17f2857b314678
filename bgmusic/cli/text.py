"""Untrusted text, made safe for a terminal."""


def one_line(text: str) -> str:
    """Replace line breaks and control characters, which untrusted names may hold, by question marks."""
    return "".join(character if character.isprintable() else "?" for character in text)
