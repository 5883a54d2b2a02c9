"""Compiles an ONNX model to a compiled file."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tvm

from mlperf_benchmark.core.errors import ModelError, OutputError
from mlperf_benchmark.core.text import first_line
from mlperf_benchmark.core.working_folder import scratch_folder
from mlperf_benchmark.tvm_compiler.artifact import CompiledModel, Library, sha256, write_artifact
from mlperf_benchmark.tvm_compiler.building import build, check_linker, link
from mlperf_benchmark.tvm_compiler.choosing import DIRECT, Choice, Rule, method_of
from mlperf_benchmark.tvm_compiler.fusion import fuse
from mlperf_benchmark.tvm_compiler.graph import Convolution, Graph
from mlperf_benchmark.tvm_compiler.kernels.specs import ConvolutionSpec
from mlperf_benchmark.tvm_compiler.lowered import Lowered
from mlperf_benchmark.tvm_compiler.lowering import TileChooser, lower
from mlperf_benchmark.tvm_compiler.onnx_source import OnnxSource, import_relax, open_model
from mlperf_benchmark.tvm_compiler.options import CompileOptions
from mlperf_benchmark.tvm_compiler.relax_reader import read_relax
from mlperf_benchmark.tvm_compiler.target import CpuTarget, check_host_runs, cpu_target, host_lacks
from mlperf_benchmark.tvm_compiler.threads import usable_threads, use_threads
from mlperf_benchmark.tvm_compiler.tiling import Machine
from mlperf_benchmark.tvm_compiler.timing import TimedNetwork, times_of_others
from mlperf_benchmark.tvm_compiler.tuning import Tiles, key, read_tiles, tune, write_tiles
from mlperf_benchmark.tvm_compiler.versions import check_versions
from mlperf_benchmark.tvm_compiler.weights import WeightsWriter
from mlperf_benchmark.tvm_compiler.work import multiply_accumulates

NAMED_TIMES = 6
"""How many of the slowest functions without a schedule are named."""

Report = Callable[[str], None]


def compile_model(
    model: Any, path: Path, options: CompileOptions, report: Report = lambda line: None
) -> CompiledModel:
    """Compile the ONNX `model` (onnx.ModelProto) to the file `path`; `report` gets progress.

    Raises ModelError for models that cannot be compiled, OutputError where `path` cannot be
    written. Nothing is left half-written.
    """
    check_versions()
    check_linker()
    target = cpu_target(options.target)
    source = open_model(model)
    with scratch_folder("tvm") as folder:
        compiled: CompiledModel | None = None
        libraries = []
        weights = WeightsWriter(folder)
        rule = Rule(Machine.of(target, usable_threads(options.threads)), options.exact_convolutions)
        tiles = _read_tiles(target, options)
        for batch in sorted(set(options.batches)):
            with _faults_named():
                graph = image_graph(source, batch)
            if options.tune > 0:
                tiles |= _tuned(graph, target, rule, options, report)
                _write_tiles(target, options, tiles)
            with _faults_named():
                lowered = lower(graph, target, _chooser(rule, tiles))
            if compiled is None:
                compiled = _describe(source, target, graph, lowered, batch)
                _report_fallbacks(compiled, report)
                _report_large_weights(lowered, report)
                _report_restored_weights(lowered, report)
            report(f"Compiling batch {batch} for {target.cpu}: {_summary(lowered, batch)}")
            libraries.append(_export(lowered, target, batch, folder, weights.add(lowered.weights)))
            report(f"Convolutions of {libraries[-1].computes_by}")
            if lowered.fallbacks and len(libraries) == 1 and not host_lacks(target.features):
                library = folder / libraries[0].file
                _report_fallback_time(lowered, library, options.threads, report)
        if compiled is None:
            raise ModelError("No batch size to compile for was given.")
        compiled = dataclasses.replace(compiled, libraries=tuple(libraries), weights=weights.arrays)
        try:
            write_artifact(path, compiled, folder)
        except OSError as error:
            raise OutputError(f"Cannot write {path}: {error.strerror}.") from error
    return compiled


def image_graph(source: OnnxSource, batch: int) -> Graph:
    """Return the fused graph of a model that takes uint8 images."""
    imported = import_relax(source, batch)
    graph = read_relax(imported.module, imported.origins, source.channels_last)
    shape = graph.output_shape
    if len(shape) != 2 or shape[0] != batch:
        raise ModelError(f"The model's output has the shape {shape}; (batch, classes) is expected.")
    return fuse(graph.with_image_input())


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turn TVM's errors about a model that it cannot compile into a one-line ModelError."""
    try:
        yield
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        raise ModelError(f"TVM cannot compile the model: {first_line(error)}") from error


def _read_tiles(target: CpuTarget, options: CompileOptions) -> Tiles:
    if options.tiles is not None and options.tiles.exists():
        return read_tiles(options.tiles, target)
    return {}


def _write_tiles(target: CpuTarget, options: CompileOptions, tiles: Tiles) -> None:
    if options.tiles is not None:
        write_tiles(options.tiles, target, tiles)


def _tuned(
    graph: Graph, target: CpuTarget, rule: Rule, options: CompileOptions, report: Report
) -> Tiles:
    """Tune for the batch of `graph` in its share of the time and return the best tiles."""
    check_host_runs("The tuned model", target.cpu, target.features)
    seconds = options.tune / len(set(options.batches))
    return tune(graph, target, seconds, rule, report)


def _chooser(rule: Rule, tiles: Tiles) -> TileChooser:
    """Return a chooser that prefers tuned tiles to those of the rule."""

    def choose(spec: ConvolutionSpec) -> Choice:
        winner = tiles.get(key(spec))
        if winner is None or (rule.exact and method_of(winner) != DIRECT):
            return rule.choose(spec)
        return winner

    return choose


def _export(
    lowered: Lowered, target: CpuTarget, batch: int, folder: Path, weights: tuple[int, ...]
) -> Library:
    """Compile to a library in `folder`; `weights` are the numbers of the arrays that it takes."""
    file = folder / f"batch{batch}.so"
    with _faults_named():
        executable = build(lowered.module, target)
    link(executable, file)
    return Library(
        batch=batch,
        file=file.name,
        sha256=sha256(file.read_bytes()),
        weights=weights,
        working=lowered.working,
        convolutions=dict(lowered.methods),
        layers=tuple(lowered.layers),
    )


def _describe(
    source: OnnxSource, target: CpuTarget, graph: Graph, lowered: Lowered, batch: int
) -> CompiledModel:
    channels, height, width = source.shape
    integer = sum(
        multiply_accumulates(node, graph.values)
        for node in graph.nodes
        if isinstance(node.operator, Convolution) and node.operator.weights.scales is not None
    )
    return CompiledModel(
        tvm_version=str(tvm.__version__),
        target=target.cpu,
        features=target.features,
        input_name=source.input_name,
        output_name=source.output_name,
        input_shape=(height, width, channels),
        classes=graph.output_shape[1],
        precision=_precision(integer, lowered.macs),
        layout="NCHW16c",
        macs=lowered.macs // batch,
        source_sha256=source.sha256,
        tiles={name: dataclasses.asdict(tile) for name, tile in lowered.tiles.items()},
        fallbacks={
            name: work.macs / max(lowered.macs, 1) for name, work in lowered.fallbacks.items()
        },
        fallback_bytes={
            name: work.bytes / lowered.bytes for name, work in lowered.fallbacks.items()
        },
        libraries=(),
        weights=(),
    )


def _precision(integer: int, macs: int) -> str:
    """Return what computes most multiply-accumulates, and its share: "int8 (97.2 % of …"."""
    if integer in (0, macs):
        return "int8" if integer else "float32"
    shares = {"int8": integer / macs, "f32": 1 - integer / macs}
    main, other = sorted(shares, key=shares.__getitem__, reverse=True)
    return f"{main} ({shares[main]:.1%} of the multiply-accumulates), {other}"


def _report_fallbacks(compiled: CompiledModel, report: Report) -> None:
    for name, share in compiled.fallbacks.items():
        report(
            f'No schedule for "{name}": left to TVM\'s default, parallelised '
            f"({share:.1%} of the multiply-accumulates, {compiled.fallback_bytes[name]:.1%} of the "
            "bytes that are read and written)."
        )


def _report_fallback_time(
    lowered: Lowered, library: Path, threads: int | None, report: Report
) -> None:
    used = usable_threads(threads)
    use_threads(used)
    network = TimedNetwork(library, lowered.parameters, lowered.weights, lowered.working, used)
    others = times_of_others(network, lowered.kernels)
    slowest = list(others.seconds.items())[:NAMED_TIMES]
    each = ", ".join(f"{name} {seconds * 1000:.3f} ms" for name, seconds in slowest)
    report(
        "Operators without a schedule, and the changes of layout around them, take "
        f"{others.share:.0%} of the time of an inference here: {each}."
    )


def _report_large_weights(lowered: Lowered, report: Report) -> None:
    if lowered.widened:
        report(
            f"The target has no VNNI, and the weights of {lowered.widened / lowered.macs:.0%} of "
            "the multiply-accumulates are too large for its quickest INT8 products. Quantize with "
            "--overflow-fix all."
        )


def _report_restored_weights(lowered: Lowered, report: Report) -> None:
    if lowered.restored:
        report(
            f"{lowered.restored / lowered.macs:.0%} of the multiply-accumulates have 8-bit weights "
            "and compute in float32: INT8 takes quantized inputs, and weights with a zero point "
            "in the middle (int8: 0, uint8: 128) and one scale in all or per output channel."
        )


def _summary(lowered: Lowered, batch: int) -> str:
    functions = len(lowered.module.functions) - 1
    return f"{functions} functions, {lowered.macs / batch / 1e9:.3f} GMACs an image"
