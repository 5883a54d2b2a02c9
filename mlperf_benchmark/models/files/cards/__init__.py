"""Model cards: what stands beside a model file about the images that it takes."""
