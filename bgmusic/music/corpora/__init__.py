"""Packed corpora: built from any music, opened by name or folder, loaded as bits."""
