"""Records what MLCommons' checkers say of each spoiled tree: a tool for the developer.

    python -m tests.submit.official_verdicts CHECKOUT_OF_MLCOMMONS_INFERENCE

writes tests/fixtures/submission/official_verdicts.json. It needs the checkers' own requirements
(numpy, pandas, PyYAML).
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.submit.spoiled_kinds import spoilers
from tests.submit.trees import make_tree

VERDICTS = Path(__file__).parents[1] / "fixtures" / "submission" / "official_verdicts.json"
VERSION = "v6.1"


def main() -> int:
    """Write the verdicts of both checkers on every tree."""
    tools = Path(sys.argv[1]).resolve() / "tools" / "submission"
    verdicts = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for division in ("closed", "open"):
            made = make_tree(folder / division, division)
            verdicts[division] = {
                kind: _verdicts(tools, made, folder / "spoiled", division, kind)
                for kind in spoilers(division)
            }
    VERDICTS.write_text(json.dumps(verdicts, indent=1) + "\n")
    return 0


def _verdicts(tools: Path, made: Path, tree: Path, division: str, kind: str) -> dict[str, str]:
    shutil.copytree(made, tree)
    spoilers(division)[kind](tree / division / "Example")
    new = [sys.executable, "-m", "submission_checker.main"]
    old = [sys.executable, str(tools / "submission_checker_old.py")]
    common = ["--input", str(tree), "--version", VERSION, "--csv", str(tree.parent / "summary.csv")]
    verdicts = {}
    for checker, command in (("new", new), ("old", old)):
        done = subprocess.run(
            [*command, *common], cwd=tools, capture_output=True, text=True, check=False
        )
        verdicts[checker] = "accepted" if done.returncode == 0 else "refused"
    shutil.rmtree(tree)
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
