"""The files by which an output folder is known for what it holds."""

RESULT = "results.json"
"""Of one run."""

ANSWERS = "answers.npz"
"""Of an accuracy run: what it answered to each image."""

COMPARISON = "comparison.json"
"""Of a comparison. Earlier versions called it results.json."""

PLAN = "plan.json"
"""Of a comparison that has begun."""

EXPLANATION = "explain.json"
"""Of where the time of an inference goes."""
