"""From a finished run to results.json and the summary on the terminal."""
