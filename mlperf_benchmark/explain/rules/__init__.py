"""What `explain.py` says in words: a rule a kind of loss."""
