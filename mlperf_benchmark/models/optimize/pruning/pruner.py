"""Prunes a module to a part of its multiply-accumulates, or of another cost."""

import copy
from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from mlperf_benchmark.models.optimize.batch_norm import change_keeping_batch_norm
from mlperf_benchmark.models.optimize.config import CRITERIA, PruningConfig
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.cost import Budget, Cost, Macs
from mlperf_benchmark.models.optimize.pruning.criterion import Criterion
from mlperf_benchmark.models.optimize.pruning.evidence import Evidence
from mlperf_benchmark.models.optimize.pruning.reconstruction import reconstruct
from mlperf_benchmark.models.optimize.pruning.search import find_widths


def prune(
    module: nn.Module,
    input_size: int,
    config: PruningConfig,
    seed: int,
    batches: Iterable[Tensor],
    *,
    labels: Sequence[int] | None = None,
    budget: Budget | None = None,
) -> tuple[str, ...]:
    """Remove channels of `module` in place and adapt the rest of it on `batches`.

    A batch is float32 (batch, 3, input_size, input_size), normalised as the module expects;
    `batches` can be iterated several times. `labels` are the classes of the images, if known.
    Without `budget`, the fraction `config.prune` of the multiply-accumulates is removed. Returns
    the targets that gradients were taken with, see `Evidence.gradients_from`.

    Raises ModelError for a module that cannot be pruned, and UsageError if the fraction cannot be
    met within 2 % or if images are needed.
    """
    module.eval()
    evidence = Evidence(module, batches, labels)
    criterion: Criterion = CRITERIA.load(config.method)(seed)
    criterion.observe(evidence)
    graph = ChannelGraph(module, input_size, criterion)

    def find(cost: Cost, part: float) -> list[int]:
        return find_widths(graph, config, evidence, cost, part)

    widths = budget(graph, find) if budget else find(Macs(graph), config.prune)
    if config.reconstruct:
        original = copy.deepcopy(module)
        kept = graph.kept_channels(widths)
        graph.remove(widths)
        reconstruct(module, original, graph.projections, kept, evidence.portions)
    else:
        change_keeping_batch_norm(module, batches, lambda: graph.remove(widths))
    return evidence.gradients_from
