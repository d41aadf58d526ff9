"""Commands that are killed at a random moment, and what they must leave behind.

Every command finds the result of an earlier run at its target. Killed at any moment, it leaves
that one or its own, whole. A command runs in a forked child, so that a kill costs no start of
Python; `count` kills are spread over its whole length.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.program.columns import load_program
from neurosim.provenance import program_digest
from neurosim.results import load_run_folder
from support.sweeps import write_study


@dataclass(frozen=True)
class Victim:
    """A command, a command that made what was there before, and how to read either result."""

    target: str
    before: list[str]
    words: list[str]
    read: Callable[[Path], Any]


def _read_runs(folder: Path) -> Any:
    runs = {
        inner.name: dict(load_run_folder(inner).manifest["files"])
        for inner in folder.iterdir()
        if inner.is_dir()
    }
    return runs, (folder / "comparison.json").read_bytes()


def _read_stream(folder: Path) -> Any:
    said = json.loads((folder / "stream.json").read_bytes())["pieces"]
    pieces = [dict(load_run_folder(folder / piece["folder"]).manifest["files"]) for piece in said]
    return pieces, json.loads((folder / "report.json").read_bytes())


MAP = ["map", "net.nir", "--chip", "tianjic", "--placer", "row-major"]
VICTIMS = {
    "map": Victim(
        "a.nsp",
        [*MAP, "--seed", "4", "-o", "a.nsp"],
        [*MAP, "-o", "a.nsp"],
        lambda path: program_digest(load_program(path)),
    ),
    "simulate": Victim(
        "run",
        ["simulate", "net.nsp", "--input", "x.npz", "--samples", "2", "-o", "run"],
        ["simulate", "net.nsp", "--input", "x.npz", "-o", "run"],
        lambda path: dict(load_run_folder(path).manifest["files"]),
    ),
    "compare": Victim(
        "cmp",
        ["compare", "net.nsp", "--input", "x.npz", "--samples", "2", "-o", "cmp"],
        ["compare", "net.nsp", "net.nsp", "--input", "x.npz", "-o", "cmp"],
        _read_runs,
    ),
    "stream": Victim(
        "hour",
        ["stream", "net.nsp", "--input", "x.npy", "--piece", "6", "-o", "hour"],
        ["stream", "net.nsp", "--input", "x.npy", "--piece", "4", "-o", "hour"],
        _read_stream,
    ),
    "sweep": Victim(
        "out",
        ["sweep", "before.yaml", "-o", "out", "--workers", "1"],
        ["sweep", "study.yaml", "-o", "out", "--workers", "1"],
        lambda path: {p.name: p.read_bytes() for p in (path / "result").iterdir()},
    ),
}


def run_aside(words: list[str], folder: Path, limit: Callable[[], None] | None = None) -> int:
    """Start a command in a child whose current folder is `folder`; returns its process."""
    child = os.fork()
    if child:
        return child
    try:
        from neurosim_cli.main import run

        os.chdir(folder)
        with (
            open(os.devnull, "w") as sys.stdout,
            open("stderr.txt", "w") as sys.stderr,
        ):
            if limit is not None:
                limit()
            code = run(words)
        os._exit(code)
    finally:
        os._exit(99)


def prepare(folder: Path) -> None:
    """The files that the commands of `VICTIMS` read; loads in this process what they need."""
    from neurosim_cli.main import run

    write_study(folder, grid={"weight_bits": [4]}).rename(folder / "before.yaml")
    write_study(folder)
    np.save(folder / "x.npy", np.load(folder / "x.npz")["x"].reshape(-1, 8))
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        assert run([*MAP, "-o", "net.nsp"]) == 0
        for victim in VICTIMS.values():
            assert run(victim.before) == 0
    for victim in VICTIMS.values():
        _remove(folder / victim.target)


def _finish(words: list[str], folder: Path) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(run_aside(words, folder), 0)[1])


def kill_often(name: str, folder: Path, count: int, seed: int) -> dict[str, int]:
    """Kill a command `count` times; how often the old and the new result was found.

    Raises AssertionError, or what the reader raises, if anything else was found.
    """
    victim, rng = VICTIMS[name], random.Random(seed)
    target, kept = folder / victim.target, folder / "kept"
    assert _finish(victim.before, folder) == 0
    old = victim.read(target)
    shutil.move(target, kept)
    _restore(kept, target)
    assert _finish(victim.words, folder) == 0
    start = time.monotonic()
    _restore(kept, target)
    assert _finish(victim.words, folder) == 0
    seconds, new = time.monotonic() - start, victim.read(target)
    assert old != new
    found = {"old": 0, "new": 0}
    for _ in range(count):
        _restore(kept, target)
        child = run_aside(victim.words, folder)
        time.sleep(rng.uniform(0, 1.1 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left = victim.read(target)
        assert left in (old, new), f"{name}: neither the old nor the new result"
        found["old" if left == old else "new"] += 1
    _remove(kept)
    return found


def _restore(kept: Path, target: Path) -> None:
    _remove(target)
    if kept.is_dir():
        shutil.copytree(kept, target)
    else:
        shutil.copy(kept, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
