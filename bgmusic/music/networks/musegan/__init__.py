"""BinaryMuseGAN's networks (arXiv 1804.09399)."""
