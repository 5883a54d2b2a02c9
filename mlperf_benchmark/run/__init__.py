"""One run: options, configuration, test, result and summary."""
