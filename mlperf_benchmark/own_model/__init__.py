"""What is known of a model of the user's own before it is loaded: options, card, description."""
