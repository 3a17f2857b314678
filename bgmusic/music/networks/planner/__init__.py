"""The planner: a BinaryGAN on plans."""
