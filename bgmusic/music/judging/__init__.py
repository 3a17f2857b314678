"""Metrics, statistics, two-sample tests, copying, and the evaluation that joins them."""
