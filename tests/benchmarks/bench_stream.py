"""An hour's recording, a tick per millisecond: the memory that it takes to play it.

3.6 million ticks of the digits network on Tianjic, read from the disk and written piece by piece
as `neurosim stream` does. Prints the resident memory on the way; it must not grow with the ticks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from neurosim.program.columns import load_program
from neurosim.run.recording import open_recording
from neurosim.stream_folder import write_stream_folder

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "neurosim" / "demo_data"
N_TICKS = 3_600_000
SHOWN = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)


def resident_mb() -> float:
    """Memory of this process in use (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make_files(folder: Path, n_ticks: int) -> None:
    """The mapped network, and the test digits over and over, blank for half of the time."""
    words = ("map", str(DEMO / "digits_liaf.nir"), "--chip", "tianjic", "-o", "digits.nsp")
    subprocess.run(
        [sys.executable, "-m", "neurosim_cli", *words], cwd=folder, check=True, capture_output=True
    )
    x = np.load(DEMO / "digits_test.npz")["x"]
    digits = np.concatenate([x, np.zeros_like(x)], axis=1).reshape(-1, *x.shape[2:])
    out = np.lib.format.open_memmap(folder / "hour.npy", "w+", x.dtype, (n_ticks, *x.shape[2:]))
    for first in range(0, n_ticks, len(digits)):
        out[first : first + len(digits)] = digits[: n_ticks - first]
    out.flush()


def main() -> None:
    n_ticks = int(sys.argv[1]) if len(sys.argv) > 1 else N_TICKS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, n_ticks)
        program = load_program(folder / "digits.nsp")
        recording = open_recording(folder / "hour.npy", program.input_shape)
        size = recording.path.stat().st_size / 1e6
        print(f"{n_ticks:,} ticks, {size:,.0f} MB of input; before: {resident_mb():.0f} MB")
        done, due, start = 0, list(SHOWN), time.perf_counter()

        def advance(n: int) -> None:
            nonlocal done
            done += n
            while due and done >= due[0] * n_ticks:
                seconds = time.perf_counter() - start
                share = due.pop(0)
                print(f"{share:6.0%} {resident_mb():8.0f} MB resident {seconds:8.0f} s", flush=True)

        report = write_stream_folder(program, recording, folder / "out", progress=advance)
        counts = report["counts"]
        print(f"{report['ticks']:,} ticks, {counts['packets']:,} packets, {counts['macs']:,} macs")


if __name__ == "__main__":
    main()
