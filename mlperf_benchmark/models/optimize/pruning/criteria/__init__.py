"""The pruning criteria, a module each."""
