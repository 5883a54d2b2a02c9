"""Model files: their formats, their parts, and the description beside each."""
