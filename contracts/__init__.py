"""What every part agrees on: errors, plug-in registries, image format, configuration."""
