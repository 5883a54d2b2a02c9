"""What the torch and inductor backends do to a model, and read from it."""
