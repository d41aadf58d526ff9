"""Mapping at scale: core counts, seconds and memory, beside the bars of the project's plan.

python -m tests.benchmarks.bench_mapping            all tables
python -m tests.benchmarks.bench_mapping vgg16      one network, in a process of its own
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
for _folder in ("tests", "cli", "mapper", "."):
    sys.path.insert(0, str(_ROOT / _folder))

from support import reference_networks as nets  # noqa: E402

from neurosim_mapper.estimate import estimate  # noqa: E402
from neurosim_mapper.pipeline import map_network  # noqa: E402

DEFAULT: dict[str, Any] = {}
FOLDED = {"fold": "auto"}
# Network, chips of the Tianjic array (wide, high), options of the mapper.
SCALE: dict[str, tuple[Any, tuple[int, int], dict[str, Any]]] = {
    "vgg16": (nets.vgg16, (6, 6), DEFAULT),
    "resnet18": (nets.resnet18, (10, 7), DEFAULT),
    "vgg16-folded": (nets.vgg16, (1, 1), FOLDED),
    "resnet18-folded": (nets.resnet18, (1, 1), FOLDED),
    "million": (lambda: nets.local_sheet(64), (6, 6), DEFAULT),
    "babi": (lambda: nets.liaf_net("babi"), (1, 1), DEFAULT),
    "mnist-dvs": (lambda: nets.liaf_net("mnist-dvs"), (4, 3), DEFAULT),
    "gesture": (lambda: nets.liaf_net("gesture"), (5, 4), DEFAULT),
    "cifar10-dvs": (lambda: nets.liaf_net("cifar10-dvs"), (14, 12), DEFAULT),
}
LIAF = ("babi", "mnist-dvs", "gesture", "cifar10-dvs")


def map_one(name: str) -> None:
    """Map one large network and print a line: cores, chips, seconds, peak memory."""
    build, (wide, high), options = SCALE[name]
    chip = nets.tianjic_array(wide, high)
    network = build()
    start = time.perf_counter()
    busy = time.process_time()
    program = map_network(network, chip, **options)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{name:16} {program.mapping['neurons']:>10,} neurons {program.n_cores:>6,} cores on "
        f"{wide} x {high} chips in {program.n_phases} phases {seconds:6.1f} s (cpu {busy:.1f} s) "
        f"{peak:5.2f} GB   bar: 60 s, 4 GB",
        flush=True,
    )


def core_counts() -> None:
    """Cores of the smaller networks beside bar and simple bound."""
    from theory.test_core_counts import BARS, cores_and_bound

    print(f"{'network':38} {'cores':>6} {'bar':>5} {'simple bound':>13}")
    for name, (build, bar) in BARS.items():
        cores, bound = cores_and_bound(build())
        print(f"{name:38} {cores:>6} {bar:>5} {bound:>13}", flush=True)


def estimates() -> None:
    """Estimate of VGG-16 in time, and the LIAF-Net networks on Tianjic arrays."""
    network, chip = nets.vgg16(), nets.tianjic_array(6, 6)
    start = time.perf_counter()
    facts = estimate(network, chip)
    seconds = time.perf_counter() - start
    print(f"estimate of VGG-16: {facts['cores']:,} cores in {seconds:.2f} s   bar: 2 s")
    print(f"{'LIAF-Net, without LayerNorm':30} {'neurons':>10} {'cores':>7} {'chips':>6}")
    for name in LIAF:
        facts = estimate(nets.liaf_net(name), nets.tianjic_array(16, 16))
        print(
            f"{name:30} {facts['neurons']:>10,} {facts['cores']:>7,} {facts['chips']:>6,}",
            flush=True,
        )


def main(arguments: list[str]) -> None:
    """All tables, or the named networks."""
    for name in arguments:
        map_one(name)
    if not arguments:
        core_counts()
        estimates()
        for name in SCALE:
            subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
