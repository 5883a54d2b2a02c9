"""Compiles ONNX image classifiers, FP32 or QDQ INT8, to shared libraries with Apache TVM.

The stages, one module each: `onnx_source` reads the model into Relax, `relax_reader` into the
operator graph of `graph`, `fusion` merges what one kernel can do, `storage` decides how each
value lies in memory, `lowering` writes one TIR function per operator with the generators of
`kernels` and the tiles of `tiling`, and `artifact` builds and stores the libraries.
"""
