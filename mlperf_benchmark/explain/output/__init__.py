"""Writes an explanation in several forms, one module each."""
