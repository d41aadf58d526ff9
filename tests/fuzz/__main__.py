"""``python -m tests.fuzz --cases 20000 --seed 1``: damaged real files, reader by reader.

Every case ends in a result or in one of our own errors; anything else is a finding: another
exception, a crash, more than ten seconds, more memory than twice the file and 200 MB. Cases are
played in child processes, whose peak of memory is read after each; a child that dies names its
case. A finding is kept as a file and can be played again: ``--target nir --case 17 --seed 1``.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in (".", "mapper", "cli", "tests")]

from tests.fuzz.mutate import mutated  # noqa: E402
from tests.fuzz.targets import TARGETS, Target, attempt  # noqa: E402

LONGEST_SECONDS = 10
FREE_BYTES = 200 << 20
BATCH = 500


class HangError(Exception):
    """A case took too long."""


def case_file(target: str, corpus: dict[str, bytes], seed: int, case: int) -> tuple[str, bytes]:
    """Name and damaged content of a case."""
    rng = random.Random(f"{seed} {target} {case}")
    name = rng.choice(sorted(corpus))
    return name, mutated(corpus[name], rng)


def play(target: Target, name: str, content: bytes, folder: Path) -> str:
    """Play one case in this process; what was wrong with the reader, or ""."""
    path = folder / name
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LONGEST_SECONDS)
    try:
        said = attempt(target, path)
    except Exception:
        return traceback.format_exc(limit=-6)
    finally:
        signal.alarm(0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > FREE_BYTES + 2 * len(content):
        return f"took {grown >> 20} MiB for a file of {len(content)} bytes"
    if "Traceback" in said:
        return f"a traceback in a message: {said}"
    return ""


def _too_long(*_: object) -> None:
    raise HangError(f"more than {LONGEST_SECONDS} s")


def findings(target: str, cases: range, seed: int) -> Iterator[tuple[int, str, str, bytes]]:
    """Play cases in children; yields number, sentence, name and content of each finding."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = TARGETS[target].corpus(Path(folder))
    first = cases.start
    while first < cases.stop:
        batch = range(first, min(first + BATCH, cases.stop))
        first = batch.stop
        ours, theirs = get_context("fork").Pipe(duplex=False)
        child = get_context("fork").Process(
            target=_child, args=(target, corpus, batch, seed, theirs)
        )
        child.start()
        theirs.close()
        last = batch.start
        try:
            while True:
                last, sentence = ours.recv()
                if sentence:
                    yield last, sentence, *case_file(target, corpus, seed, last)
        except EOFError:
            child.join()
        if child.exitcode:
            yield (
                last,
                f"the process died ({child.exitcode})",
                *case_file(target, corpus, seed, last),
            )
            first = last + 1


def _child(
    target: str, corpus: dict[str, bytes], batch: range, seed: int, pipe: Connection
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for case in batch:
            pipe.send((case, ""))
            name, content = case_file(target, corpus, seed, case)
            sentence = play(TARGETS[target], name, content, Path(folder))
            if sentence:
                pipe.send((case, sentence))
            for entry in Path(folder).iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--case", type=int, help="play this case alone, in this process")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_findings"))
    options = parser.parse_args()
    names = options.target or list(TARGETS)
    if options.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            corpus = TARGETS[names[0]].corpus(Path(folder))
            name, content = case_file(names[0], corpus, options.seed, options.case)
            print(play(TARGETS[names[0]], name, content, Path(folder)) or "nothing is wrong")
        return 0
    n_found = 0
    for target in names:
        start, found = time.monotonic(), 0
        n_cases = -(-options.cases // len(names))
        for case, sentence, name, content in findings(target, range(n_cases), options.seed):
            found += 1
            options.keep.mkdir(exist_ok=True)
            (options.keep / f"{target}-{options.seed}-{case}-{name}").write_bytes(content)
            print(f"--- {target} case {case}\n{sentence}", flush=True)
        seconds = time.monotonic() - start
        print(f"{target:12} {n_cases} cases, {found} findings, {seconds:.0f} s", flush=True)
        n_found += found
    return 1 if n_found else 0


if __name__ == "__main__":
    sys.exit(main())
