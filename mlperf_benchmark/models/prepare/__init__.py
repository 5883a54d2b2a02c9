"""The commands that prepare models and the sample: configuration, steps and messages."""
