"""Piano-rolls: track sets, the grid, Roll, encodings and batches of phrases."""
