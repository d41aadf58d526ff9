"""What is fuzzed: a corpus of small shipped files, and the reader of each."""

from __future__ import annotations

import contextlib
import io
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from support.chain import chain_program, chain_run
from support.frameworks import FOLDER, description
from support.sweeps import write_study

from neurosim.errors import NeurosimError
from neurosim.files.strict_yaml import dump_yaml
from neurosim_mapper.data.events import Events, ReadOptions

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "neurosim" / "demo_data"
LARGEST_BYTES = 120_000
SIDE = 34


@dataclass(frozen=True)
class Target:
    """A reader and its corpus.

    Attributes
    ----------
    read : called with the path of a damaged file.
    corpus : makes the whole files, name to content, in an empty folder.
    """

    read: Callable[[Path], Any]
    corpus: Callable[[Path], dict[str, bytes]]


def _shipped(pattern: str, *folders: Path) -> Callable[[Path], dict[str, bytes]]:
    def corpus(folder: Path) -> dict[str, bytes]:
        paths = [path for root in folders for path in sorted(root.rglob(pattern))]
        small = [path for path in paths if path.stat().st_size <= LARGEST_BYTES]
        return {f"{path.parent.name}-{path.name}": path.read_bytes() for path in small}

    return corpus


def _read_nir(path: Path) -> None:
    from neurosim_mapper.readers import read_network

    read_network(path, "literal")


def _read_network(path: Path) -> None:
    from neurosim_mapper.readers import read_network

    read_network(path)


def _read_state_dict(path: Path) -> None:
    from neurosim_mapper.readers.state_dict import read_state_dict

    read_state_dict(path)


def _read_inputs(path: Path) -> None:
    from neurosim.run.inputs import read_inputs

    read_inputs(path, (64,))


def _read_stream(path: Path) -> None:
    from neurosim.run.recording import open_recording

    for _ in open_recording(path, (8,)).pieces(7):
        pass


def _read_program(path: Path) -> None:
    from neurosim.program.columns import load_program

    load_program(path)


def _read_chip(path: Path) -> None:
    from neurosim.chip.files import load_chip

    load_chip(path)


def _read_study(path: Path) -> None:
    from neurosim_mapper.sweep import read_study

    read_study(path)


def _read_placement(path: Path) -> None:
    from neurosim_mapper.place.placement_file import read_placement_file

    read_placement_file(path)


def _read_recording(path: Path) -> None:
    from neurosim_mapper.network import Network
    from neurosim_mapper.nodes import Input, Linear, lif
    from neurosim_mapper.readers.recording import compare_with_recording

    network = Network.sequential([Input((3,)), Linear(np.ones((2, 3))), lif(1.0, 0.5)])
    compare_with_recording(network, path)


def _read_events(path: Path) -> None:
    from neurosim_mapper.data.recordings import read_events

    form = "nmnist" if path.suffix == ".bin" else "auto"
    read_events(path, form, ReadOptions(sensor=(SIDE, SIDE)))


def _read_run(path: Path) -> None:
    """`path` is one file of a run folder; the others are whole."""
    from neurosim.results import load_run_folder

    folder, name = path.parent / "run", path.name.split("-", 1)[1]
    folder.mkdir(exist_ok=True)
    for file, content in _run_files().items():
        (folder / file).write_bytes(content)
    (folder / name).write_bytes(path.read_bytes())
    load_run_folder(folder)


@cache
def _run_files() -> dict[str, bytes]:
    from neurosim.results import run_files

    return run_files(chain_run(np.full((1, 2), 5)))


def _run_corpus(folder: Path) -> dict[str, bytes]:
    return {f"run-{name}": content for name, content in _run_files().items()}


def _programs(folder: Path) -> dict[str, bytes]:
    chain_program().save(folder / "chain.nsp")
    return {"chain.nsp": (folder / "chain.nsp").read_bytes()}


def _recordings(folder: Path) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, size=(2, 4, 3))
    np.savez(folder / "r.npz", x=x, spikes=rng.integers(0, 2, size=(2, 4, 2)))
    return {"r.npz": (folder / "r.npz").read_bytes()}


def _streams(folder: Path) -> dict[str, bytes]:
    x = np.random.default_rng(0).integers(0, 2, size=(30, 8)).astype(np.uint8)
    np.save(folder / "a.npy", x)
    np.savez(folder / "b.npz", x=x)
    np.savez_compressed(folder / "c.npz", x=x[None], y=np.zeros(3))
    return {name: (folder / name).read_bytes() for name in ("a.npy", "b.npz", "c.npz")}


def _state_arrays(folder: Path) -> dict[str, bytes]:
    np.savez(folder / "s.npz", **{"fc.weight": np.ones((3, 4)), "fc.bias": np.zeros(3)})
    return {"s.npz": (folder / "s.npz").read_bytes()}


def _descriptions(folder: Path) -> dict[str, bytes]:
    names = ("snntorch/rleaky_zero", "spikingjelly/conv_groups", "norse/lif_default")
    texts = {}
    for name in names:
        weights = next(p for p in (FOLDER / f"{name}.pt", FOLDER / f"{name}.safetensors"))
        if weights.exists():
            texts[f"{weights.stem}.yaml"] = dump_yaml(description(name, str(weights))).encode()
    return texts


def _studies(folder: Path) -> dict[str, bytes]:
    example = ROOT / "examples" / "sweep_digits.yaml"
    return {"a.yaml": write_study(folder).read_bytes(), "b.yaml": example.read_bytes()}


def _placements(folder: Path) -> dict[str, bytes]:
    from neurosim_mapper.place import write_placement_file

    write_placement_file(chain_program(), folder / "p.json")
    return {"p.json": (folder / "p.json").read_bytes()}


def _events(folder: Path) -> dict[str, bytes]:
    from neurosim_mapper.data.aedat2 import write_aedat2
    from neurosim_mapper.data.aedat31 import write_aedat31
    from neurosim_mapper.data.event_lists import write_npy, write_npz
    from neurosim_mapper.data.nmnist import write_nmnist

    rng = np.random.default_rng(1)
    columns = [rng.integers(0, high, 200) for high in (SIDE, SIDE, 2)]
    events = Events(*columns, np.sort(rng.integers(0, 1 << 22, 200)), SIDE, SIDE)
    writers = {
        "2.aedat": write_aedat2, "31.aedat": write_aedat31, "n.bin": write_nmnist,
        "l.npy": write_npy, "l.npz": write_npz,
    }  # fmt: skip
    for name, write in writers.items():
        write(folder / name, events)
    return {name: (folder / name).read_bytes() for name in writers}


def _run_command(path: Path) -> None:
    """A command with a damaged file, and sometimes a damaged word."""
    from neurosim_cli.main import run

    content = path.read_bytes()
    rng = random.Random(content)
    out = str(path.parent / "out")
    words = [w.format(file=path, out=out, demo=DEMO) for w in rng.choice(_COMMANDS[path.suffix])]
    if rng.random() < 0.3:
        words[rng.randrange(len(words))] = rng.choice(("", "-1", "--", "x", str(path), "1e9"))
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        code = run(words)
    if code not in (0, 2, 3, 4, 5):
        raise AssertionError(f"exit code {code} of {words}: {said.getvalue()}")


_COMMANDS: dict[str, list[list[str]]] = {
    ".nir": [
        ["info", "{file}"],
        ["map", "{file}", "--chip", "tiny_2x2", "-o", "{out}.nsp", "--placer", "row-major"],
        ["quantize", "{file}", "--chip", "tianjic", "--input", "{demo}/digits_test.npz"],
        ["describe", "{file}"],
    ],
    ".nsp": [
        ["simulate", "{file}", "--input", "{file}"],
        ["info", "{file}", "--json"],
        ["compare", "{file}", "{file}", "--input", "{demo}/digits_test.npz"],
    ],
    ".yaml": [
        ["chips", "{file}"],
        ["sweep", "{file}", "-o", "{out}", "--workers", "1"],
        ["estimate", "{file}", "--chip", "{file}"],
        ["info", "{file}"],
    ],
    ".npz": [["frames", "{file}", "-o", "{out}.npz"], ["describe", "{file}"], ["report", "{file}"]],
}


def _command_corpus(folder: Path) -> dict[str, bytes]:
    nir = dict(list(_shipped("*.nir", FOLDER)(folder).items())[:3])
    chips = dict(list(_shipped("tiny*.yaml", ROOT / "chip_configs")(folder).items())[:1])
    return nir | _programs(folder) | chips | _recordings(folder)


TARGETS: dict[str, Target] = {
    "nir": Target(_read_nir, _shipped("*.nir", FOLDER)),
    "demo-nir": Target(_read_network, _shipped("*.nir", DEMO)),
    "inputs": Target(_read_inputs, _shipped("digits_*.npz", DEMO)),
    "stream": Target(_read_stream, _streams),
    "npz": Target(_read_state_dict, _state_arrays),
    "safetensors": Target(_read_state_dict, _shipped("*.safetensors", FOLDER)),
    "pt": Target(_read_state_dict, _shipped("*.pt", FOLDER)),
    "description": Target(_read_network, _descriptions),
    "nsp": Target(_read_program, _programs),
    "run": Target(_read_run, _run_corpus),
    "chip": Target(_read_chip, _shipped("*.yaml", ROOT / "chip_configs")),
    "study": Target(_read_study, _studies),
    "placement": Target(_read_placement, _placements),
    "recording": Target(_read_recording, _recordings),
    "events": Target(_read_events, _events),
    "command": Target(_run_command, _command_corpus),
}


def attempt(target: Target, path: Path) -> str:
    """Read a damaged file; what its reader said, or "" if it found nothing wrong."""
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            target.read(path)
    except NeurosimError as error:
        return str(error) or "an empty message"
    return ""
