"""The algorithms of post-training quantization, one class each."""
