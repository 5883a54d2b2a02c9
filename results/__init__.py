"""What a run found out: figures, checks and the files that keep them."""
