"""Writes a comparison in several forms, one module each."""
