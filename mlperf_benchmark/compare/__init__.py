"""Compares variants in interleaved rounds: from a matrix to a table, a report and a gate."""
