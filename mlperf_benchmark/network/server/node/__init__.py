"""What runs on a node, inside the engine: copied beside the model, so it imports little."""
