"""Structured pruning: whole channels are removed, so that layers really become smaller."""
