"""The adversarial game: objectives, penalties, the training loop, runs and checkpoints."""
