"""The networks we have as torch modules, their weights, and their way to ONNX."""
