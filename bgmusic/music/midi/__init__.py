"""Read MIDI files into a ``Song`` and write them. Needs NumPy."""
