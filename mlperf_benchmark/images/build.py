"""Preprocessing on all cores."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

import cv2

from mlperf_benchmark.images.decoding import UnreadableImageError, read_rgb
from mlperf_benchmark.images.store import ImageStore
from mlperf_benchmark.images.transforms import Preprocessing


@dataclass(frozen=True, order=True)
class BadImage:
    sample: int
    reason: str


def build(
    store: ImageStore,
    samples: Sequence[int],
    files: Sequence[Path],
    preprocessing: Preprocessing,
    *,
    workers: int,
    advance: Callable[[], None],
) -> list[BadImage]:
    """Preprocess `files[i]` into row `i` for each of `samples`, in `workers` threads.

    Threads do, as decoding, resizing, checksums and writing all release the interpreter lock.
    Returns the images that cannot be read, after all have been tried. `advance` is called from
    the threads, once an image. Stops at once on an error and on an interrupt.
    """
    queue: SimpleQueue[int] = SimpleQueue()
    for sample in samples:
        queue.put(sample)
    bad: SimpleQueue[BadImage] = SimpleQueue()
    stop = Event()

    with store.writer() as write, _one_thread_each(), ThreadPoolExecutor(workers) as pool:

        def work() -> None:
            while not stop.is_set():
                try:
                    sample = queue.get_nowait()
                except Empty:
                    return
                try:
                    write(sample, preprocessing.transform(read_rgb(files[sample])))
                except UnreadableImageError as error:
                    bad.put(BadImage(sample, str(error)))
                advance()

        try:
            futures = [pool.submit(work) for _ in range(workers)]
            finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
        for future in finished:
            future.result()
    return sorted(bad.get_nowait() for _ in range(bad.qsize()))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep cv2 from starting its own threads in each worker; the setting is the process's."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
