"""Text from files that nobody vouches for, as a terminal may show it."""


def one_line(text: str) -> str:
    """The text without line breaks and a terminal's control characters, which names may hold."""
    return "".join(character if character.isprintable() else "?" for character in text)
