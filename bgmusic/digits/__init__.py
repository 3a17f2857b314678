"""Binarized MNIST: data, networks, training, scores and reports, for comparing neurons and objectives quickly."""
