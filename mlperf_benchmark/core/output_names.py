"""The names of the files that tell what an output folder holds."""

RESULT = "results.json"
"""Of one run."""

ANSWERS = "answers.npz"
"""Of an accuracy run: what it answered to each image."""

PLAN = "plan.json"
"""Of a comparison that has begun."""

EXPLANATION = "explain.json"
"""Of where the time of an inference goes."""

COMPARISON = "comparison.json"
"""Of a comparison that has ended."""
