"""Generators of TIR functions, one module per kind of operator.

Each writes its loop nest explicitly: accumulators are separate 16-lane buffers that LLVM keeps
in registers, tiles that do not divide a dimension get a copy of the nest of the size that is
left over. All buffers are flat and described by `storage.View`.
"""
