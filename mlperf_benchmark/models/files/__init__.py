"""Model files: their formats, what they consist of, and the description beside each."""
