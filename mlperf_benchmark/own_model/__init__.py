"""What options, card and description tell about the user's own model before it is loaded."""
