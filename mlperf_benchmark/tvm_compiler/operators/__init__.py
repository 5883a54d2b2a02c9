"""Operators beyond convolutions and pooling, a module each.

A module holds what the graph says of the operator (a subclass of `graph.Custom`), its kernel and
how it is lowered; `registry.py` lists them.
"""
