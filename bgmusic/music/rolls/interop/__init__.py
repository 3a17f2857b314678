"""Conversions to and from pypianoroll, muspy and pretty_midi."""
