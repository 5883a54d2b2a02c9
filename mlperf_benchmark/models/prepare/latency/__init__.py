"""Pruning to a measured latency: first layers are timed one by one, then the whole model."""
