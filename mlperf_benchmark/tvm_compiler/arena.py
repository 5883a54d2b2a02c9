"""Where the values of a network lie in its working memory, chosen when it is compiled.

Left to an allocator, two runs of the same model would find their values at other distances from
each other, in other sets of the caches, and one would be slower than the other until its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlperf_benchmark.tvm_compiler.artifact import ALIGNMENT


@dataclass
class Life:
    """Of a value of `size` bytes, from the step that writes it to the last one that reads it."""

    size: int
    first: int
    last: int


def offsets(lives: Sequence[Life]) -> list[int]:
    """The first byte of each, so that none lies over another that is needed at the same time.

    The largest are placed first, each as low as it fits.
    """
    placed: dict[int, int] = {}
    for number in sorted(range(len(lives)), key=lambda number: (-lives[number].size, number)):
        life = lives[number]
        together = [
            (start, start + lives[other].size)
            for other, start in placed.items()
            if lives[other].first <= life.last and life.first <= lives[other].last
        ]
        lowest = 0
        for start, end in sorted(together):
            if lowest + life.size <= start:
                break
            lowest = max(lowest, end + -end % ALIGNMENT)
        placed[number] = lowest
    return [placed[number] for number in range(len(lives))]
