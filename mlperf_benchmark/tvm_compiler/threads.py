"""Sets how many threads TVM uses."""

import os

import tvm

_SHARE_CORES = -3
"""The mode of TVM's thread pool in which its threads may run on any of the cores named to it.
By default it binds them to the first cores, which two processes then fight for."""

_SPIN_COUNT = "TVM_THREAD_POOL_SPIN_COUNT"
_SHORT_SPIN = "10000"
"""Looks for work before a thread sleeps, which take milliseconds; TVM's 300,000 take 0.2 s."""


def usable_threads(wanted: int | None) -> int:
    """Return `wanted` or, if it is None or larger, the number of cores that this process
    may use.
    """
    cores = len(os.sched_getaffinity(0))
    return min(wanted or cores, cores)


def rest_early() -> None:
    """Let threads that wait for work sleep soon, unless the user set how long. Before the first
    pool is used.
    """
    os.environ.setdefault(_SPIN_COUNT, _SHORT_SPIN)


def use_threads(count: int) -> None:
    """Set the size of the calling thread's pool; every thread that calls TVM has its own."""
    configure = tvm.get_global_func("runtime.config_threadpool")
    configure(_SHARE_CORES, count, [str(core) for core in sorted(os.sched_getaffinity(0))])
