"""Model cards: files beside a model that describe the images that it takes."""
