"""What every part of the harness agrees on: errors, plug-in registries, image format, configuration."""
