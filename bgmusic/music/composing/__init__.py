"""Compose with a trained generator: phrases, long pieces, accompaniments and interpolations."""
