"""Operators beyond convolutions and pooling, one module each.

A module contains the operator's class in the graph (a subclass of `graph.Custom`), its kernel and
its lowering; `registry.py` lists them.
"""
