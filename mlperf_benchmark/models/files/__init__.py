"""Model files: architectures, their weights, conversion, and the description beside each file."""
