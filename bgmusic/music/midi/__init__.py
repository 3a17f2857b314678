"""MIDI files: bytes to a Song and back. Imports numpy alone."""
