"""What the ONNX Runtime backend does to a model before it is loaded, and reads from it after."""
