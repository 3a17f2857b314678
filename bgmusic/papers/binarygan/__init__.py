"""The experiments of BinaryGAN (arXiv 1810.04714)."""
