"""The experiments of BinaryMuseGAN (arXiv 1804.09399)."""
