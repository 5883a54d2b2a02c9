"""Places the values of a network in its working memory when it is compiled.

An allocator would give them other distances, and so other cache sets, in each run of the same
model, and some runs would be slower than others throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlperf_benchmark.tvm_compiler.artifact import ALIGNMENT


@dataclass
class Life:
    """The lifetime of a value of `size` bytes: from the step that writes it to the last that reads
    it.
    """

    size: int
    first: int
    last: int


def offsets(lives: Sequence[Life]) -> list[int]:
    """Return the first byte of each value, so that values needed at the same time do not overlap.

    The largest are placed first, each as low as possible.
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
