"""Structured pruning: whole channels go, and the layers really become smaller."""
