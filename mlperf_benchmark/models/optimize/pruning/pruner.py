"""Prunes a module to a part of its multiply-accumulates."""

from collections.abc import Iterable

from torch import Tensor, nn

from mlperf_benchmark.models.optimize.batch_norm import change_keeping_batch_norm
from mlperf_benchmark.models.optimize.config import CRITERIA, PruningConfig
from mlperf_benchmark.models.optimize.pruning.channels import ChannelGraph
from mlperf_benchmark.models.optimize.pruning.criteria import Criterion
from mlperf_benchmark.models.optimize.pruning.search import find_widths


def prune(
    module: nn.Module,
    input_size: int,
    config: PruningConfig,
    seed: int,
    batches: Iterable[Tensor],
) -> None:
    """Remove channels of `module` in place and adapt batch norm on `batches`.

    A batch is float32 (batch, 3, input_size, input_size), normalised as the module expects.
    Raises ModelError for a module that cannot be pruned and UsageError for a part of the
    multiply-accumulates that cannot be met within 2 % of it.
    """
    criterion: Criterion = CRITERIA.load(config.method)(seed)
    graph = ChannelGraph(module, input_size, criterion)
    widths = find_widths(graph, config)
    change_keeping_batch_norm(module, batches, lambda: graph.remove(widths))
