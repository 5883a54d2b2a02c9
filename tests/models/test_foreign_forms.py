"""Files of others in unusual forms, and what is kept of what was told about them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mlperf_benchmark.core.errors import OutputError
from mlperf_benchmark.models.files.description import read_description
from mlperf_benchmark.models.files.foreign_onnx import ForeignModel, quantizable
from mlperf_benchmark.models.prepare.options import parse
from mlperf_benchmark.models.prepare.preparer import prepare_model
from mlperf_benchmark.models.prepare.subject import TorchSubject
from tests.models.test_foreign import CLASSES, NET, SIDE, Form, answers, prepare
from tests.tvm_compiler.graphs import random_images


def test_an_offset_alone_is_kept_and_used(tmp_path: Path) -> None:
    own = (f"--architecture={NET}", "--weights=random", "--labels-offset=-3")
    subject = TorchSubject(parse(own))
    subject.load()
    assert subject.label_offset() == -3
    for words in (own, (Form().save(tmp_path), "--labels-offset=-3")):
        description = read_description(prepare(tmp_path, *words))
        assert description is not None
        assert description.card is not None
        assert description.card.labels_offset == -3


def test_weights_of_what_is_read_are_not_written_over(tmp_path: Path) -> None:
    model = Form().build()
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin")
    before = (tmp_path / "net.bin").read_bytes()
    words = [str(tmp_path / "net.onnx"), f"--output={tmp_path}", "--name=net"]
    for more in ([], ["--overwrite"]):
        with pytest.raises(OutputError, match=r"net\.bin is a file of the model itself"):
            prepare_model(parse([*words, *more]))
    assert (tmp_path / "net.bin").read_bytes() == before


def test_nodes_without_names_get_some_that_are_free() -> None:
    model = Form().build()
    model.graph.node[0].name = "Relu_2"
    named = quantizable(ForeignModel(model, "NCHW", TensorProto.FLOAT, None, (SIDE, SIDE)))
    names = [node.name for node in named.graph.node]
    assert len({*names}) == len(names)


def test_branches_keep_what_they_read() -> None:
    model = Form().build()
    graph = model.graph
    [scores] = [value.name for value in graph.output]
    graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    graph.initializer.append(numpy_helper.from_array(np.full(CLASSES, 3, np.float32), "more"))
    chosen = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, None)
    branch = helper.make_graph(
        [helper.make_node("Add", [scores, "more"], ["chosen"])], "branch", [], [chosen]
    )
    either = {"then_branch": branch, "else_branch": branch}
    graph.node.append(helper.make_node("If", ["yes"], ["chosen_one"], **either))
    graph.output[0].name = "chosen_one"
    foreign = ForeignModel(model, "NCHW", TensorProto.FLOAT, None, (SIDE, SIDE))
    fed = Form().fed(random_images(2, SIDE, SIDE))
    after = answers(quantizable(foreign), fed)
    assert np.abs(after - answers(model, fed)).max() < 1e-4 * np.abs(after).max()
