"""Train a generator on a corpus."""
