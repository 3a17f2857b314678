"""Reproduce the experiments of BinaryMuseGAN (arXiv 1804.09399) on any corpus."""
