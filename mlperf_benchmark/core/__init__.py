"""What every part agrees on: errors, registries, configuration, files, the machine."""
