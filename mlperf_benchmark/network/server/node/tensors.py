"""NumPy arrays from and to Triton's tensors, by DLPack.

Triton's own `as_numpy` and `Tensor(name, array)` lose the data in its releases before NumPy 2 was
supported, among them the one of the package nvidia-pytriton: it reads sizes out of NumPy 1's
structures.
"""

import ctypes
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

_PyDestructor = ctypes.pythonapi.PyCapsule_SetDestructor
_PyDestructor.argtypes = [ctypes.py_object, ctypes.c_void_p]


def array_of(request: Any, name: str) -> NDArray[np.uint8]:
    """The request's input `name`, read-only in Triton's memory."""
    array: NDArray[Any] = np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name))
    return array


def tensor_of(name: str, array: NDArray[Any]) -> Any:
    """An output tensor that holds `array`."""
    return pb_utils.Tensor.from_dlpack(name, _Handed(array))


class _Handed:
    """An array whose memory Triton frees.

    Triton gives the capsule that it took a name which NumPy's destructor complains about, so that
    this one goes without.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __dlpack__(self, **_options: object) -> Any:
        capsule = self._array.__dlpack__()
        _PyDestructor(capsule, None)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self._array.__dlpack_device__()
        return device
