"""Read MIDI files into a ``Song`` and write them. Needs NumPy, and symusic to write."""
