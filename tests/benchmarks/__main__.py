"""``make bench``: every ``bench_*.py`` beside this file, each in a process of its own.

A benchmark prints its table: ours, the peer or the limit, the ratio. One that fails is named at
the end; the others run all the same. ``python -m tests.benchmarks noc engine`` picks some.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(wanted: list[str]) -> int:
    """Run the benchmarks named (all of them without a name); the number that failed."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    chosen = [n for n in names if not wanted or n.removeprefix("bench_") in wanted]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    failed = []
    for name in chosen:
        print(f"\n== {name.removeprefix('bench_')}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"tests.benchmarks.{name}"], cwd=HERE.parents[1], check=False
        )
        if done.returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
