"""The client of the Open Inference Protocol (KServe v2) over gRPC."""
