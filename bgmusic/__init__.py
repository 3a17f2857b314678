"""bgmusic: networks that make binary decisions, and the music they compose."""

__version__ = "0.1.0"
