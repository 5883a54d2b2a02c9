"""Explains where the time of an inference goes, layer by layer, and why a variant is not faster."""
