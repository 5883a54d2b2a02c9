"""Quantization-aware training: a quantized model learns what rounding took from it."""
