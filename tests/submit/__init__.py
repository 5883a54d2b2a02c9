"""Tests of submission.py, and the trees that they are about."""
