"""The causal composer: each decision sees all decisions before it."""
