"""From runs of main.py to a submission tree that MLCommons' checkers accept."""
