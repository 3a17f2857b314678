"""Judge phrases: metrics, statistics, two-sample tests, copying, and the evaluation that combines them."""
