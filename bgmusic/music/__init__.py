"""Piano-rolls, MIDI in and out, corpora."""
