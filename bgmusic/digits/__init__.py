"""The proving ground: binarized MNIST, its networks, pictures and scores."""
