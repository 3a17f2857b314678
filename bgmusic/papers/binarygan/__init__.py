"""Reproduce the experiments of BinaryGAN (arXiv 1810.04714) on binarized MNIST."""
