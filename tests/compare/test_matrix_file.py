"""Matrix files: what they say, and what is refused."""

from pathlib import Path

import pytest

from mlperf_benchmark.compare.matrix import Matrix
from mlperf_benchmark.compare.matrix_file import read_matrix
from mlperf_benchmark.compare.plan import make_plan
from mlperf_benchmark.core.errors import UsageError
from tests.command import ROOT

VARIANTS = '[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n'
NULL = '[run]\nprofile = "null"\nqueries = 10\n'


def read(folder: Path, text: str) -> Matrix:
    file = folder / "matrix.toml"
    file.write_text(text, encoding="utf-8")
    return read_matrix(file)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        make_plan(read(folder, text))
    return str(caught.value)


def test_options_of_all_variants_and_of_one(tmp_path: Path) -> None:
    matrix = read(tmp_path, "seed = 7\n" + NULL + VARIANTS + "queries = 20\n")
    plan = make_plan(matrix)
    assert matrix.title == "matrix"
    assert matrix.seed == 7
    shared = ("--profile", "null", "--queries")
    assert [cell.arguments for cell in plan.cells] == [
        (*shared, "10", "--scenario", "SingleStream"),
        (*shared, "20", "--scenario", "SingleStream"),
    ]


def test_file_of_a_windows_editor(tmp_path: Path) -> None:
    file = tmp_path / "matrix.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (NULL + VARIANTS).replace("\n", "\r\n").encode())
    assert [variant.name for variant in read_matrix(file).variants] == ["a", "b"]
    file.write_text(NULL + VARIANTS, encoding="utf-16")
    with pytest.raises(UsageError, match="not a text file in UTF-8"):
        read_matrix(file)


def test_axes_multiply(tmp_path: Path) -> None:
    axes = (
        '[axes]\nmodel = ["x/fp32.xml", "x/int8.xml"]\nbackend = ["openvino", "null"]\n'
        'scenario = ["SingleStream", "Offline"]\nthreads = [1, 2]\n'
    )
    cells = make_plan(read(tmp_path, axes)).cells
    assert len(cells) == 16
    assert len({cell.key for cell in cells}) == 16
    assert {cell.name for cell in cells} == {
        f"{model} {backend}, {threads}"
        for model in ("fp32", "int8")
        for backend in ("openvino", "null")
        for threads in ("1 thread", "2 threads")
    }
    baselines = [cell for cell in cells if cell.is_baseline]
    assert [(cell.name, cell.scenario) for cell in baselines] == [
        ("fp32 openvino, 1 thread", "SingleStream"),
        ("fp32 openvino, 1 thread", "Offline"),
    ]
    assert {cell.metric.name for cell in cells if cell.scenario == "Offline"} == {
        "samples_per_second"
    }


def test_the_baseline_can_be_named(tmp_path: Path) -> None:
    plan = make_plan(read(tmp_path, 'baseline = "b"\n' + NULL + VARIANTS))
    assert [cell.is_baseline for cell in plan.cells] == [False, True]


def test_each_round_has_an_order_of_its_own_that_the_seed_decides(tmp_path: Path) -> None:
    many = "".join(f'[[variant]]\nname = "v{number}"\n' for number in range(6))
    plan = make_plan(read(tmp_path, NULL + many))
    orders = [[cell.key for cell in plan.order(number)] for number in range(1, 6)]
    assert all(sorted(order) == [cell.key for cell in plan.cells] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    again = make_plan(read(tmp_path, NULL + many))
    assert [[cell.key for cell in again.order(number)] for number in range(1, 6)] == orders
    other = make_plan(read(tmp_path, "seed = 1\n" + NULL + many))
    assert [[cell.key for cell in other.order(number)] for number in range(1, 6)] != orders


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("round = 3\n" + NULL + VARIANTS, 'Unknown setting "round". Did you mean "rounds"?'),
        (NULL + "quries = 1\n" + VARIANTS, 'option in [run] "quries". Did you mean "queries"?'),
        (NULL + VARIANTS + "thread = 1\n", 'option in "b" "thread". Did you mean "threads"?'),
        (NULL + VARIANTS + '[axes]\nscenarios = ["Offline"]\n', 'Did you mean "scenario"?'),
        (NULL + VARIANTS + '[axes]\nscenario = ["Ofline"]\n', 'Did you mean "Offline"?'),
        ('baseline = "A1"\n' + NULL + VARIANTS, 'Unknown variant as baseline "A1"'),
        ('metric = "p95"\n' + NULL + VARIANTS, 'Unknown metric "p95"'),
        ('rounds = "six"\n' + NULL + VARIANTS, "rounds takes a whole number, not 'six'"),
        ("rounds = 0\n" + NULL + VARIANTS, "rounds must be at least 1"),
        ("rounds = 99999999999\n" + NULL + VARIANTS, "rounds must be 2147483647 at most"),
        ("max_time = inf\n" + NULL + VARIANTS, "max_time is a number of seconds above 0"),
        ("max_time = nan\n" + NULL + VARIANTS, "max_time is a number of seconds above 0"),
        ("precision_goal = nan\n" + NULL + VARIANTS, "0.03 for 3 %"),
        ("seed = -1\n" + NULL + VARIANTS, "seed is a whole number from 0"),
        ("queries_per_turn = 0\n" + NULL + VARIANTS, "queries_per_turn must be at least 1"),
        (
            "queries_per_turn = 4\n" + NULL + VARIANTS + '[axes]\nscenario = ["Offline"]\n',
            "queries_per_turn needs SingleStream or MultiStream",
        ),
        ("precision_goal = 3\n" + NULL + VARIANTS, "0.03 for 3 %"),
        (NULL + VARIANTS.replace('"b"', '"a"'), 'two variants are called "a"'),
        (NULL + "[[variant]]\nthreads = 1\n", "number 1 needs a name"),
        (NULL + VARIANTS + "queries = [1, 2]\n", "takes one value"),
        (NULL + VARIANTS + 'scenario = "Offline"\n', '[axes] scenario = ["Offline"]'),
        (NULL + VARIANTS + "threads = 1\n[axes]\nthreads = [1, 2]\n", '"b" sets threads'),
        (NULL + VARIANTS + '[axes]\nmodel = ["m.xml"]\n', "that or [[variant]] tables"),
        (NULL + VARIANTS + "[axes]\nthreads = [1, 1]\n", "names a value twice"),
        (NULL + VARIANTS + 'profile = "nul"\n', 'Variant "b": Unknown profile "nul"'),
        (NULL + VARIANTS + 'queries = "many"\n', 'Variant "b": Argument --queries'),
        (NULL + VARIANTS + '[axes]\nscenario = ["Server"]\n', "set qps"),
        ("variant = 1\n", "[[variant]] tables"),
        ("title = \n", "is not a TOML file"),
    ],
)
def test_refusals_name_the_key_and_the_cure(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No matrix file .*none\.toml"):
        read_matrix(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "file", sorted((ROOT / "matrices").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_matrices_of_the_repository_can_be_planned(file: Path) -> None:
    assert make_plan(read_matrix(file)).cells
