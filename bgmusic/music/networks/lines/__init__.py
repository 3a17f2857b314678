"""A GAN of lines: a phrase is decided at once by deterministic or stochastic binary neurons."""
