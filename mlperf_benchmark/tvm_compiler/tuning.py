"""Searches for better tiles than the rule's by timing them in place, inside of the network.

A variant of the network gives every convolution its next candidate. Variant and rule run in
turn, each kernel timed by the virtual machine's instrument, so that caches are as they will be
and a machine that drifts drifts for both. The winner of a convolution is the candidate with the
lowest median of these ratios. Winners are kept in a JSON file that can be shipped.
"""

import dataclasses
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mlperf_benchmark.core.errors import OutputError, UsageError
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.tvm_compiler.building import build, link
from mlperf_benchmark.tvm_compiler.choosing import Choice, Rule, choice_from
from mlperf_benchmark.tvm_compiler.graph import Graph
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec
from mlperf_benchmark.tvm_compiler.lowered import Lowered
from mlperf_benchmark.tvm_compiler.lowering import TileChooser, lower
from mlperf_benchmark.tvm_compiler.target import CpuTarget
from mlperf_benchmark.tvm_compiler.threads import use_threads
from mlperf_benchmark.tvm_compiler.timing import TimedNetwork

FORMAT = 3
ROUNDS = 9
WARM_UP = 3
WORTH_IT = 0.98
"""A candidate has to take less than this share of the rule's time."""

Tiles = dict[str, Choice]
Report = Callable[[str], None]


def key(spec: ConvolutionSpec) -> str:
    """Return what a tile depends on, as a readable line."""
    source, sink, window = spec.source, spec.stored.sink, spec.window
    return (
        f"{spec.dot.kind} batch {source.batch}, {source.channels}x{source.height}x{source.width}"
        f" -> {sink.dtype} {sink.channels}x{sink.height}x{sink.width}"
        f" kernel {window.kernel[0]}x{window.kernel[1]}"
        f" stride {window.stride[0]}x{window.stride[1]}"
        f" dilation {window.dilation[0]}x{window.dilation[1]}"
        f" added {len(spec.stored.addends)}"
    )


def read_tiles(path: Path, target: CpuTarget) -> Tiles:
    """Read tuned tiles. Raises UsageError if they are damaged or for another target."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if content["format"] != FORMAT or content["target"] != target.cpu:
            raise UsageError(
                f'{path} holds tiles for "{content["target"]}" (format {content["format"]}); '
                f'"{target.cpu}" (format {FORMAT}) is wanted. Tune again with --tune.'
            )
        return {name: choice_from(tile) for name, tile in content["tiles"].items()}
    except OSError as error:
        raise UsageError(f"Cannot read the tiles {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a file of tiles: {error}.") from error


def write_tiles(path: Path, target: CpuTarget, tiles: Mapping[str, Choice]) -> None:
    """Write tuned tiles. Raises OutputError if `path` cannot be written."""
    content = {
        "format": FORMAT,
        "target": target.cpu,
        "tiles": {name: dataclasses.asdict(tile) for name, tile in sorted(tiles.items())},
    }
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"Cannot write the tiles {path}: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def tune(graph: Graph, target: CpuTarget, seconds: float, rule: Rule, report: Report) -> Tiles:
    """Return the best tiles after about `seconds` and at least one variant of the network."""
    threads = rule.machine.threads
    use_threads(threads)
    end = time.monotonic() + seconds
    search = _Search(rule)
    base = _Network(lower(graph, target, rule.choose), target, threads)
    for number in count(1):
        variant = lower(graph, target, search.candidates(number))
        if variant.tiles == base.tiles:
            break
        search.compare(base, _Network(variant, target, threads))
        report(f"Tuning: variant {number}, {len(search.winners())} convolutions are faster")
        if time.monotonic() > end:
            break
    return search.winners()


class _Network:
    """A loaded network that measures the time of each kernel in a run."""

    def __init__(self, lowered: Lowered, target: CpuTarget, threads: int) -> None:
        self.tiles = lowered.tiles
        self.specs = lowered.specs
        with scratch_folder("tvm") as folder:
            file = folder / "network.so"
            link(build(lowered.module, target), file)
            self._timed = TimedNetwork(
                file, lowered.parameters, lowered.weights, lowered.working, threads
            )

    def run(self) -> dict[str, float]:
        """Run once and return the seconds of all convolutions by key."""
        totals: dict[str, float] = defaultdict(float)
        for symbol, seconds in self._timed.run().items():
            if symbol in self.specs:
                totals[key(self.specs[symbol])] += seconds
        return totals

    def tile(self, name: str) -> Choice:
        return next(self.tiles[symbol] for symbol, spec in self.specs.items() if key(spec) == name)


@dataclass(frozen=True)
class _Winner:
    tile: Choice
    share: float


class _Search:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._candidates: dict[str, list[Choice]] = {}
        self._best: dict[str, _Winner] = {}

    def candidates(self, number: int) -> TileChooser:
        """Return a chooser of candidate `number`, the most promising first; the rule's if there are
        no more.
        """

        def choose(spec: ConvolutionSpec) -> Choice:
            name = key(spec)
            if name not in self._candidates:
                self._candidates[name] = self._rule.candidates(spec)
            found = self._candidates[name]
            return found[number] if number < len(found) else found[0]

        return choose

    def compare(self, base: _Network, variant: _Network) -> None:
        shares: dict[str, list[float]] = defaultdict(list)
        for number in range(WARM_UP + ROUNDS):
            times, others = base.run(), variant.run()
            if number >= WARM_UP:
                for name, seconds in others.items():
                    shares[name].append(seconds / times[name])
        for name, values in shares.items():
            share = statistics.median(values)
            if name not in self._best or share < self._best[name].share:
                self._best[name] = _Winner(variant.tile(name), share)

    def winners(self) -> Tiles:
        return {name: w.tile for name, w in self._best.items() if w.share < WORTH_IT}
