"""Quantization-aware training: a quantized model learns to make up for the rounding."""
