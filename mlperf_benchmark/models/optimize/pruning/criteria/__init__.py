"""The pruning criteria, one module each."""
