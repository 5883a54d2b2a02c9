"""What the OpenVINO backend does to a model before it is compiled, and reads from it after."""
