"""The 64 points of examples/sweep_digits.yaml: one worker, two, a Dask cluster, and killed thrice.

Every way must give the same table, byte for byte. Prints the time of each and the speed-up of two
workers; the times mean something on a machine that does nothing else.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "examples" / "sweep_digits.yaml"
N_KILLS = 3


def command(output: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "neurosim_cli", "sweep", str(STUDY), "-o", str(output), *words]


def timed(name: str, output: Path, *words: str) -> float:
    start = time.perf_counter()
    subprocess.run(command(output, *words), check=True, capture_output=True)
    seconds = time.perf_counter() - start
    print(f"{name:24}{seconds:8.1f} s   load {os.getloadavg()[0]:.1f}", flush=True)
    return seconds


def killed(output: Path, seed: int, seconds: float) -> None:
    """Start the sweep and kill all of it at a random moment, some times."""
    rng = random.Random(seed)
    for _ in range(N_KILLS):
        with subprocess.Popen(
            command(output, "--workers", "2"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            time.sleep(rng.uniform(0.1, 0.3) * seconds)
            os.killpg(process.pid, signal.SIGKILL)
        n_points = len(list((output / "points").glob("*.json")))
        print(f"{'killed':24}{n_points:8} points were finished", flush=True)


def dask_time(output: Path) -> float | None:
    try:
        from distributed import LocalCluster
    except ImportError:
        print("Dask is not installed; left out")
        return None
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        return timed("Dask, 2 workers", output, "--dask", cluster.scheduler_address)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        outputs = {name: Path(folder) / name for name in ("one", "two", "dask", "killed")}
        one = timed("1 worker", outputs["one"], "--workers", "1")
        two = timed("2 workers", outputs["two"], "--workers", "2")
        if dask_time(outputs["dask"]) is None:
            del outputs["dask"]
        killed(outputs["killed"], 0, two)
        timed("the rest", outputs["killed"], "--workers", "2")
        tables = {(path / "result" / "table.csv").read_bytes() for path in outputs.values()}
        print(f"tables: {'all equal' if len(tables) == 1 else 'DIFFERENT'}")
        print(f"speed-up of two workers: {one / two:.2f}")


if __name__ == "__main__":
    main()
