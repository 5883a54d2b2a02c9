"""Chooses the tile of a direct convolution without tuning, by a simple machine model."""

from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

from mlperf_benchmark.tvm_compiler.kernels.dot import Registers
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec, Size, Tile, WindowSpec
from mlperf_benchmark.tvm_compiler.storage import LANES
from mlperf_benchmark.tvm_compiler.target import CpuTarget

_LATENCY = 4
"""Cycles from one multiply-add into a register to the next into the same one."""

_STEP_OVERHEAD = 0.5
"""Cycles a step of the innermost loop costs besides its arithmetic."""

_L1_BYTES = 16 * 1024
"""What of a core's first-level cache weights may take: half of 32 KiB."""

_LEAST_FETCHED = 8 * 1024
"""Bytes of weights that are worth a prefetch in every step."""

_STEPS_A_CHUNK = 64
"""Fewer steps between reading and writing its sums would cost a tile too much."""

_IN_ORDER = 768
"""Bytes that lie in a row and come as fast as any longer run, as the processor fetches ahead."""


@dataclass(frozen=True)
class _Cache:
    """The usable part (half) of a core's second-level cache, and the bytes per cycle that it
    delivers.
    """

    size: int
    speed: int


_CACHES = MappingProxyType({16: _Cache(256 * 1024, 10), 32: _Cache(512 * 1024, 32)})
"""Of processors with so many vector registers."""

_SHARED_BYTES = 4 << 20
"""What of the cache that all cores share a batch's values may take and still be found there."""

_MEMORY_SLOWER = 3
"""How many times as long bytes take from memory as from that cache."""

_MEMORY_SPEED = 6
"""Bytes a cycle that memory gives each thread."""

_MEMORY_THREADS = 8
"""More threads get no more in all."""

_IN_THE_WAY = (0.15, 0.1)
"""The part of the shorter of arithmetic and waiting for memory that the longer does not cover: at
least, and for each pass over the weights."""


@dataclass(frozen=True)
class Machine:
    """`threads` threads of a machine, and the bytes per cycle that memory delivers to all
    of them.
    """

    threads: int
    memory: float

    @classmethod
    def of(cls, target: CpuTarget, threads: int) -> "Machine":
        """Return the machine of `target`; a cycle is that of two vector multiply-adds."""
        shares = min(threads, _MEMORY_THREADS)
        return cls(threads, _MEMORY_SPEED * shares * (2 if target.splits_512 else 1))

    def makespan(self, tasks: int) -> int:
        """Return the number of tasks of the busiest thread."""
        return -(-tasks // self.threads)

    def beside_memory(self, arithmetic: float, weights: int, passes: int) -> float:
        """Return the cycles of `arithmetic` with `passes` passes over `weights` bytes from memory:
        the weights of a whole network do not fit into caches.
        """
        waiting = weights / self.memory
        least, each = _IN_THE_WAY
        return max(arithmetic, waiting) + (least + each * passes) * min(arithmetic, waiting)


def fits_registers(registers: Registers, pixels: int, blocks: int) -> bool:
    """Whether a tile fits; otherwise registers would be spilled to memory in each step."""
    needed = registers.sums * pixels * blocks + registers.weights * blocks + registers.element
    return needed <= registers.total


def candidate_tiles(spec: ConvolutionSpec, threads: int) -> list[Tile]:
    """Return all tiles that fit the registers, the most promising for `threads` threads first."""
    chunk = _chunk(spec)
    shapes = [(shape, c) for shape in _shapes(spec) for c in ((0, chunk) if chunk else (0,))]
    shapes.sort(key=lambda candidate: (_cost(spec, *candidate), candidate))
    # Weights of the whole network pass through the caches before a layer's are needed again.
    cold = _weight_bytes(spec) > _LEAST_FETCHED
    tiles = []
    for shape, c in shapes:
        first = bool(c) or channels_first(spec, shape, threads)
        orders = (True,) if c else (first, not first)
        tiles += [
            Tile(*shape, order, prefetch=order and cold and not c, chunk=c) for order in orders
        ]
    return tiles


def expected_cycles(spec: ConvolutionSpec, tile: Tile, machine: Machine) -> float:
    """Return the expected cycles of the whole batch."""
    source, sink = spec.source, spec.stored.sink
    steps = -(-source.channels // spec.dot.group) * _taps(spec)
    cycles = _cost(spec, (tile.rows, tile.columns, tile.blocks), tile.chunk) * steps * sink.batch
    rows = 1 if tile.chunk else -(-sink.height // tile.rows)
    tasks = sink.batch * rows * -(-sink.blocks // tile.blocks)
    arithmetic = cycles / tasks * machine.makespan(tasks)
    return machine.beside_memory(arithmetic, _weight_bytes(spec), 1)


def _shapes(spec: ConvolutionSpec) -> list[Size]:
    """Return the shapes that fit the registers; several rows only if these are whole."""
    sink, registers = spec.stored.sink, spec.dot.registers
    found = []
    for blocks, columns in product(range(1, sink.blocks + 1), range(1, sink.width + 1)):
        if not fits_registers(registers, columns, blocks):
            continue
        rows = range(1, sink.height + 1) if columns == sink.width else (1,)
        found += [
            (r, columns, blocks) for r in rows if fits_registers(registers, r * columns, blocks)
        ]
    return found


def _chunk(spec: ConvolutionSpec) -> int:
    """Return how many blocks of input channels fit the nearest cache with their weights and pixels.

    0 if these are too few to be worth moving sums to memory and back.
    """
    source, sink = spec.source, spec.stored.sink
    sums = sink.height * sink.width * LANES * 4
    image_block = source.block_stride * _element_bytes(spec)
    weights_block = _weight_bytes(spec) / sink.blocks / source.blocks
    chunk = int((_L1_BYTES * 3 / 2 - sums) / (image_block + weights_block))
    steps = chunk * _taps(spec) * source.block / spec.dot.group
    return chunk if steps >= _STEPS_A_CHUNK else 0


def _cost(spec: ConvolutionSpec, shape: Size, chunk: int) -> float:
    """Return the cycles per step, over the whole output."""
    sink = spec.stored.sink
    total = 0.0
    for rows, row_times in parts(sink.height, shape[0]):
        for columns, column_times in parts(sink.width, shape[1]):
            for blocks, block_times in parts(sink.blocks, shape[2]):
                times = row_times * column_times * block_times
                total += times * _cycles(spec, rows * columns, blocks, chunk)
    return total


def _cycles(spec: ConvolutionSpec, pixels: int, blocks: int, chunk: int) -> float:
    """Return the cycles of one step, at two multiply-adds and two loads per cycle.

    Every tile reads the weights of its channels, so that these should fit the nearest cache.
    """
    sums = spec.dot.registers.sums * pixels * blocks
    streamed = again = 0.0
    if chunk:
        steps = chunk * _taps(spec) * spec.source.block / spec.dot.group
        again = 2 * sums / steps
    elif blocks * _weight_bytes(spec) / spec.stored.sink.blocks > _L1_BYTES:
        streamed = blocks * LANES * 4 / cache(spec).speed
    return step_cycles(spec.dot.registers, pixels, blocks, streamed) + again


def step_cycles(registers: Registers, pixels: int, blocks: int, streamed: float = 0.0) -> float:
    """Return the cycles of one step that also waits `streamed` cycles for weights."""
    sums = registers.sums * pixels * blocks
    loads = (pixels + registers.weights * blocks) / 2
    return max(sums / 2, loads, streamed, _LATENCY) + _STEP_OVERHEAD


def channels_first(spec: ConvolutionSpec, shape: Size, threads: int) -> bool:
    """Whether each group of output channels should process the whole input before the next group.

    What the second-level cache cannot hold is read again: the input for each group of channels in
    this order, the weights for each group of rows in the other order. In this order a thread also
    reads all of the input, most of which others wrote, and in the other order all weights.
    """
    rows, columns, blocks = shape
    sink, near = spec.stored.sink, cache(spec).size
    source, weights = _source_bytes(spec), _weight_bytes(spec)
    inputs = source * (sink.blocks / blocks) if source > near else 0.0
    if source * sink.batch > _SHARED_BYTES:
        inputs *= _MEMORY_SLOWER
    # The cache holds few rows at a time, so that weights may take most of it.
    passes = weights * (sink.height / rows) if weights > near * 5 / 4 else 0.0
    # Weights are contiguous; of the input, a tile reads a short run in each block of channels.
    run = columns * spec.source.block * _element_bytes(spec)
    others = 1 - 1 / threads
    return passes * min(1.0, run / _IN_ORDER) + others * weights >= inputs + others * source


def cache(spec: ConvolutionSpec) -> _Cache:
    return _CACHES[spec.dot.registers.total]


def _source_bytes(spec: ConvolutionSpec) -> float:
    """Return the bytes of one image that the windows touch."""
    kernel, stride = spec.window.kernel, spec.window.stride
    touched = min(1.0, kernel[0] / stride[0]) * min(1.0, kernel[1] / stride[1])
    return spec.source.image_stride * _element_bytes(spec) * touched


def _weight_bytes(spec: ConvolutionSpec) -> int:
    outputs = spec.stored.sink.blocks * LANES
    return outputs * spec.source.channels * _taps(spec) * _element_bytes(spec)


def _taps(spec: ConvolutionSpec) -> int:
    return spec.window.kernel[0] * spec.window.kernel[1]


def _element_bytes(spec: ConvolutionSpec) -> int:
    return 1 if spec.source.dtype == "uint8" else 4


def depthwise_columns(spec: WindowSpec, target: CpuTarget) -> int:
    """Return the pixels per tile: as many as leave registers for a row's weights, evenly
    divided.
    """
    width = spec.stored.sink.width
    room = (24 if target.avx512 else 6) - spec.window.kernel[1]
    passes = -(-width // max(room, 1))
    return -(-width // passes)


def parts(extent: int, size: int) -> list[tuple[int, int]]:
    """Return (size, count) of the parts that an extent is divided into."""
    whole = [(size, extent // size)] if extent // size else []
    return whole + ([(extent % size, 1)] if extent % size else [])
