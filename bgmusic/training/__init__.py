"""Trainings: run folders, checkpoints, the loop, callbacks, schedules, optimizers, precision, logs and processes."""
