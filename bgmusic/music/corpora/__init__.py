"""Corpora of phrases: build them from music files, open them by name or folder, load random batches."""
