"""Smaller and faster variants of a model: pruning, recovery, quantization."""
