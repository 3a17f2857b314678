"""Piano-rolls: track sets, quantization, ``Roll``, encodings, and batches of phrases. Needs NumPy, not torch."""
