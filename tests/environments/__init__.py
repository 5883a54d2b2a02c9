"""What README and the other documents promise, in the environments that they make."""
