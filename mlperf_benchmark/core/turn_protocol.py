"""The protocol between processes that take turns and the program that gives them turns."""

TURN_SCENARIOS = ("SingleStream", "MultiStream")
"""In these the next query waits for the answer to the previous one, which may come late."""

TEST_TURN_SCENARIOS = ("Server", "Offline")
"""In these queries do not wait for each other, so that a turn is a whole test."""

READY = "ready"
"""The line on standard output that asks for a turn. Any line on standard input gives it."""
