"""Pruning to a latency that is measured: layers one by one, then the whole model."""
