"""Reproduce the experiments of BinaryGAN and BinaryMuseGAN: trainings, tables and figures."""
