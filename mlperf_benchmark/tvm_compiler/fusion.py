"""Merges chains of elementwise steps into the operator that produces their input."""

from collections import Counter
from dataclasses import replace

from mlperf_benchmark.tvm_compiler.graph import (
    AddValue,
    ConstantValue,
    Convolution,
    Fallback,
    Graph,
    Identity,
    Image,
    MultiplyValue,
    Node,
    Product,
    Requantize,
    Step,
    added_values,
)


def fuse(graph: Graph) -> Graph:
    """Merge every `Identity` into the operator that produces its input, if there is one.

    The merged node takes the place of the later node, where everything that it adds is available.
    """
    found = _used(graph)
    reads = Counter(name for node in found for name in node.reads())
    reads[graph.output] += 1
    nodes: dict[str, Node] = {}
    for original in found:
        node = _as_product(original, nodes, reads)
        candidate = _producer(node, nodes, reads, graph)
        if candidate is None:
            nodes[node.output] = node
            continue
        producer, steps = candidate
        del nodes[producer.output]
        nodes[node.output] = replace(
            producer,
            output=node.output,
            steps=producer.steps + steps,
            origins=_together(producer, node),
        )
    used = {graph.output}.union(*(node.reads() for node in nodes.values()), {graph.input})
    values = {name: value for name, value in graph.values.items() if name in used}
    return replace(graph, values=values, nodes=list(nodes.values()))


def _producer(
    node: Node, nodes: dict[str, Node], reads: Counter[str], graph: Graph
) -> tuple[Node, tuple[Step, ...]] | None:
    """Return the node whose result only `node` uses, and the remaining steps of `node`."""
    if not isinstance(node.operator, Identity):
        return None
    options = [(node.inputs[0], node.steps)]
    first = node.steps[0] if node.steps else None
    if isinstance(first, AddValue | MultiplyValue) and _same_shape(graph, first.value, node.output):
        swapped: tuple[Step, ...] = (replace(first, value=node.inputs[0]), *node.steps[1:])
        options.append((first.value, swapped))
    order = list(nodes)
    candidates = [
        (order.index(name), nodes[name], steps)
        for name, steps in options
        if name in nodes and reads[name] == 1 and _can_take(nodes[name], steps)
    ]
    if not candidates:
        return None
    # Prefer the latest: its result is still in the cache, and the other value is complete.
    _, producer, steps = max(candidates, key=lambda candidate: candidate[0])
    return producer, steps


def _as_product(node: Node, nodes: dict[str, Node], reads: Counter[str]) -> Node:
    """Express x * f(x), an activation such as SiLU, as steps from x; return other nodes unchanged.

    Both factors may be computed from x, but only without other values and only for this node.
    """
    first = node.steps[0] if isinstance(node.operator, Identity) and node.steps else None
    if not isinstance(first, MultiplyValue):
        return node
    factors = (node.inputs[0], first.value)
    if factors[0] == factors[1]:
        reads[factors[0]] -= 1
        return replace(node, steps=(Product((), ()), *node.steps[1:]))
    made = [nodes[name] for name in factors if _is_pure(nodes.get(name)) and reads[name] == 1]
    sources = {node.inputs[0] for node in made}
    sources |= set(factors) - {node.output for node in made}
    if not made or len(sources) != 1:
        return node
    for factor in made:
        del nodes[factor.output]
    [source] = sources
    reads[source] -= 1
    by_name = {factor.output: factor.steps for factor in made}
    left, right = (by_name.get(name, ()) for name in factors)
    return replace(
        node,
        inputs=(source,),
        steps=(Product(left, right), *node.steps[1:]),
        origins=_together(node, *made),
    )


def _together(*nodes: Node) -> tuple[str, ...]:
    """Return the operators of the model that any of the nodes computes, each once."""
    return tuple(dict.fromkeys(origin for node in nodes for origin in node.origins))


def _is_pure(node: Node | None) -> bool:
    if node is None or not isinstance(node.operator, Identity):
        return False
    return not added_values(node.steps) and not any(isinstance(s, Requantize) for s in node.steps)


def _used(graph: Graph) -> list[Node]:
    """Return the nodes whose results are used."""
    wanted = {graph.output}
    used = []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            wanted.update(node.reads())
            used.append(node)
    return used[::-1]


def _same_shape(graph: Graph, first: str, second: str) -> bool:
    return graph.values[first].shape == graph.values[second].shape


def _can_take(producer: Node, steps: tuple[Step, ...]) -> bool:
    operator = producer.operator
    if isinstance(operator, Fallback | ConstantValue) or not getattr(operator, "takes_steps", True):
        return False
    if isinstance(operator, Image):
        return not producer.steps and len(steps) == 1 and _is_per_tensor(steps[0])
    if producer.output in added_values(steps):
        return False
    return isinstance(operator, Convolution | Identity) or not added_values(producer.steps + steps)


def _is_per_tensor(step: Step) -> bool:
    return isinstance(step, Requantize) and len(step.quantization.scales) == 1
