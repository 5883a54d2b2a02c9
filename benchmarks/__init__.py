"""Measures the claims about speed: ratios from interleaved runs, with their spread."""
