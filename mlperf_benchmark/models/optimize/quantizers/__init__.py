"""Algorithms of post-training quantization, a class each."""
