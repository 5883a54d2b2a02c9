"""Peak memory of an Offline run over 50,000 images against one over 1,024.

The lists repeat the images of a folder with a val_map.txt, as only their number counts here. Needs
7.6 GB for the cache of preprocessed images.

    python3 -m benchmarks.memory --model FILE --images DIR [--cache-dir DIR]
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness_runs import ROOT
from mlperf_benchmark.core.bound_process import bound

COUNTS = (1_024, 50_000)
MIB = 1024


def peak_mib(command: list[str]) -> float:
    """Run a command and return its peak resident memory (Linux counts it in KiB)."""
    process = subprocess.Popen(bound(command), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise RuntimeError(" ".join(command))
    return usage.ru_maxrss / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--profile", default="efficientnet-lite0-openvino")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--cache-dir", default="cache")
    options = parser.parse_args()
    lines = (options.images / "val_map.txt").read_text(encoding="utf-8").splitlines()
    peaks = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            image_list = Path(folder, "list.txt")
            repeated = itertools.islice(itertools.cycle(lines), count)
            image_list.write_text("\n".join(repeated) + "\n", encoding="utf-8")
            command = [sys.executable, str(ROOT / "main.py"), "--profile", options.profile]
            command += ["--model", options.model, "--dataset-path", str(options.images)]
            command += ["--dataset-list", str(image_list), "--cache-dir", options.cache_dir]
            command += ["--scenario", "Offline", "--time", "10", "--output", folder]
            peak_mib(command)
            # The second run finds the images preprocessed.
            peaks.append(peak_mib([*command, "--overwrite"]))
        print(f"{count} images: peak {peaks[-1]:.0f} MiB", flush=True)
    print(f"difference: {peaks[1] - peaks[0]:.0f} MiB")


if __name__ == "__main__":
    main()
