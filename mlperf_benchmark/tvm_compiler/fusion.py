"""Merges chains of elementwise steps into the operator that produces their input."""

from collections import Counter
from dataclasses import replace

from mlperf_benchmark.tvm_compiler.graph import (
    AddValue,
    Convolution,
    Fallback,
    Graph,
    Identity,
    Image,
    Node,
    Requantize,
    Step,
)


def fuse(graph: Graph) -> Graph:
    """The graph with every `Identity` merged that has a producer to merge with.

    A merged node takes the place of the later one, so that all that it adds is there already.
    """
    reads = Counter(name for node in graph.nodes for name in node.reads())
    reads[graph.output] += 1
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        candidate = _producer(node, nodes, reads)
        if candidate is None:
            nodes[node.output] = node
            continue
        producer, steps = candidate
        del nodes[producer.output]
        nodes[node.output] = replace(
            producer,
            output=node.output,
            steps=producer.steps + steps,
            origins=tuple(dict.fromkeys(producer.origins + node.origins)),
        )
    used = {graph.output}.union(*(node.reads() for node in nodes.values()), {graph.input})
    values = {name: value for name, value in graph.values.items() if name in used}
    return replace(graph, values=values, nodes=list(nodes.values()))


def _producer(
    node: Node, nodes: dict[str, Node], reads: Counter[str]
) -> tuple[Node, tuple[Step, ...]] | None:
    """The node whose result alone `node` finishes, and the steps that remain of `node`."""
    if not isinstance(node.operator, Identity):
        return None
    options = [(node.inputs[0], node.steps)]
    first = node.steps[0] if node.steps else None
    if isinstance(first, AddValue):
        swapped: tuple[Step, ...] = (AddValue(node.inputs[0]), *node.steps[1:])
        options.append((first.value, swapped))
    order = list(nodes)
    candidates = [
        (order.index(name), nodes[name], steps)
        for name, steps in options
        if name in nodes and reads[name] == 1 and _can_take(nodes[name], steps)
    ]
    if not candidates:
        return None
    # The latest: its result is still in the cache, and the other one is complete.
    _, producer, steps = max(candidates, key=lambda candidate: candidate[0])
    return producer, steps


def _can_take(producer: Node, steps: tuple[Step, ...]) -> bool:
    if isinstance(producer.operator, Fallback):
        return False
    if isinstance(producer.operator, Image):
        return not producer.steps and len(steps) == 1 and _is_per_tensor(steps[0])
    added = (step for step in steps if isinstance(step, AddValue))
    if any(step.value == producer.output for step in added):
        return False
    return isinstance(producer.operator, Convolution) or not any(
        isinstance(step, AddValue) for step in producer.steps + steps
    )


def _is_per_tensor(step: Step) -> bool:
    return isinstance(step, Requantize) and len(step.quantization.scales) == 1
