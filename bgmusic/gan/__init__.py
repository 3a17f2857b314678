"""Objectives, penalties and the adversarial game."""
