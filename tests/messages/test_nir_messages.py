"""Malformed NIR files: one clear sentence with file, object and reason, and never anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from neurosim.errors import InputFileError, UnsupportedError, UsageError
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Flatten, Input, Linear, Neuron, lif
from neurosim_mapper.readers import Reading, read_network, write_network

Edit = Callable[[h5py.File], None]


def good_file(path: Path) -> Path:
    """A small network with a plain LIF."""
    network = Network.sequential(
        [Input((2, 2)), Flatten(), Linear(np.ones((3, 4)), np.zeros(3)), lif(1.0, 0.5)]
    )
    write_network(network, path)
    with h5py.File(path, "a") as file:  # a foreign file: nothing but plain NIR
        del file["node/metadata"]
        del file["node/nodes/neuron3/metadata"]
    return path


def put(name: str, value: Any) -> Edit:
    """Replace a dataset."""

    def edit(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return edit


def drop(name: str) -> Edit:
    """Delete an object."""

    def edit(file: h5py.File) -> None:
        del file[name]

    return edit


def external_link(file: h5py.File) -> None:
    del file["node/nodes/linear2/weight"]
    file["node/nodes/linear2/weight"] = h5py.ExternalLink("/etc/hostname", "/x")


def soft_link(file: h5py.File) -> None:
    file["node/nodes/again"] = h5py.SoftLink("/node/nodes/linear2")


def link_to_parent(file: h5py.File) -> None:
    file["node/nodes/linear2/metadata"] = file["node"]


def external_storage(file: h5py.File) -> None:
    del file["node/nodes/linear2/weight"]
    file["node/nodes/linear2"].create_dataset(
        "weight", (3, 4), "f8", external=[("/etc/hostname", 0, 96)]
    )


def huge(file: h5py.File) -> None:
    del file["node/nodes/linear2/weight"]
    file["node/nodes/linear2"].create_dataset(
        "weight", (1 << 20, 1 << 20), "f8", chunks=(64, 64), compression="gzip"
    )


def huge_chunk(file: h5py.File) -> None:
    del file["node/nodes/linear2/bias"]
    file["node/nodes/linear2"].create_dataset(
        "bias", (3,), "f8", maxshape=(None,), chunks=(1 << 27,)
    )


def compound(file: h5py.File) -> None:
    del file["node/nodes/linear2/bias"]
    file["node/nodes/linear2/bias"] = np.zeros(3, dtype=[("a", "f8"), ("b", "i4")])


def deep(file: h5py.File) -> None:
    group = file["node/nodes/linear2"].create_group("metadata")
    for _ in range(60):
        group = group.create_group("m")


def edges(*pairs: tuple[str, str]) -> Edit:
    """Replace the edges."""
    return put("node/edges", np.array(pairs, dtype=h5py.string_dtype()))


def loop(file: h5py.File) -> None:
    edges(
        ("input", "flatten1"),
        ("flatten1", "linear2"),
        ("linear2", "linear2"),
        ("linear2", "neuron3"),
        ("neuron3", "output"),
    )(file)


LINEAR, LIF = "node/nodes/linear2", "node/nodes/neuron3"
CASES: dict[str, tuple[Edit, str]] = {
    "no node": (
        drop("node"),
        "is an HDF5 file without a group '/node', so it is no NIR network.",
    ),
    "no nodes": (drop("node/nodes"), "the graph has no nodes."),
    "no edges": (
        drop("node/edges"),
        "'edges' of the graph is missing or is not a list of pairs of names.",
    ),
    "edges of one column": (
        put("node/edges", np.array([["a"]], dtype=h5py.string_dtype())),
        "'edges' of the graph is missing or is not a list of pairs of names.",
    ),
    "root of another type": (
        put("node/type", "LIF"),
        "the root node is of type 'LIF'; needed: 'NIRGraph'.",
    ),
    "no type": (drop(f"{LINEAR}/type"), "node 'linear2' has no 'type'."),
    "unknown type": (
        put(f"{LINEAR}/type", "Transformer"),
        "node 'linear2' (Transformer): this node type is not known; known: Affine, AvgPool2d, "
        "BatchNorm, Conv1d, Conv2d, CubaLI, CubaLIF, Delay, Flatten, I, IF, LI, LIAF, LIF, "
        "LayerNorm, Linear, NeurosimNeuron, PaddedConv, PaddedPool2d, Recurrent, Scale, SumPool2d, "
        "Threshold.",
    ),
    "missing parameter": (drop(f"{LIF}/tau"), "node 'neuron3' (LIF): 'tau' is missing."),
    "text for numbers": (
        put(f"{LIF}/tau", "fast"),
        "node 'neuron3' (LIF): 'tau' is not an array of numbers.",
    ),
    "NaN": (
        put(f"{LINEAR}/bias", np.array([0, np.nan, np.inf])),
        "node 'linear2' (Affine): 'bias' holds 2 values that are NaN or infinite.",
    ),
    "NaN in tau": (
        put(f"{LIF}/tau", np.array([1, np.nan, np.inf])),
        "node 'neuron3' (LIF): 'tau' holds 1 values that are NaN.",
    ),
    "tau of zero": (
        put(f"{LIF}/tau", np.zeros(3)),
        "node 'neuron3' (LIF): 'tau' is 0; a time constant above 0 is needed.",
    ),
    "shapes that do not go together": (
        put(f"{LIF}/r", np.ones(5)),
        "node 'neuron3' (LIF): parameters of different shapes: tau (3,), r (5,), v_leak (3,), "
        "v_threshold (3,), v_reset (3,).",
    ),
    "weight of the wrong size": (
        put(f"{LINEAR}/weight", np.ones((3, 7))),
        "Node 'linear2': Linear expects 7 inputs, but gets shape (4,).",
    ),
    "weight of three axes": (
        put(f"{LINEAR}/weight", np.ones((2, 3, 4))),
        "node 'linear2' (Affine): 'weight' has shape (2, 3, 4); only 2 axes are supported.",
    ),
    "bias of the wrong size": (
        put(f"{LINEAR}/bias", np.ones(2)),
        "node 'linear2' (Affine): Linear.bias has 2 entries, the weight has 3 rows; "
        "they must agree.",
    ),
    "output of another size": (
        put("node/nodes/output/shape", np.array([9])),
        "node 'output' (Output): the file states the shape (9,); its data have (3,).",
    ),
    "edge to nowhere": (
        edges(("input", "nirvana")),
        "an edge of the graph names the node 'nirvana', which is missing.",
    ),
    "edge twice": (
        edges(("input", "flatten1"), ("input", "flatten1")),
        "the edge 'input' -> 'flatten1' is listed twice.",
    ),
    "unreachable": (
        edges(("input", "flatten1"), ("linear2", "neuron3"), ("flatten1", "output")),
        "Node 'linear2' cannot be reached from the input; connect it or remove it.",
    ),
    "loop without a neuron": (
        loop,
        "The nodes linear2 form a loop without a neuron; such a loop has no state and no delay. "
        "Put a neuron into it.",
    ),
    "external link": (
        external_link,
        "'/node/nodes/linear2/weight' is a soft or external link, which a network does not need.",
    ),
    "soft link": (
        soft_link,
        "'/node/nodes/again' is a soft or external link, which a network does not need.",
    ),
    "loop of links": (
        link_to_parent,
        "'/node/nodes/linear2/metadata' is linked a second time, which a network does not need.",
    ),
    "external storage": (
        external_storage,
        "'/node/nodes/linear2/weight' keeps its values in another file.",
    ),
    "compound type": (
        compound,
        "'/node/nodes/linear2/bias' has the type [('a', '<f8'), ('b', '<i4')]; numbers or texts "
        "are needed.",
    ),
}


@pytest.mark.parametrize(("edit", "message"), CASES.values(), ids=CASES.keys())
def test_one_sentence_names_file_object_and_reason(
    tmp_path: Path, edit: Edit, message: str
) -> None:
    path = good_file(tmp_path / "bad.nir")
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(InputFileError) as caught:
        read_network(path, "literal")
    text = str(caught.value)
    joint = " " if message.startswith("is ") else ": "
    assert text == f"{path}{joint}{message}"


@pytest.mark.parametrize("edit", [huge, huge_chunk])
def test_datasets_larger_than_the_file_are_not_even_tried(tmp_path: Path, edit: Edit) -> None:
    path = good_file(tmp_path / "huge.nir")
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(InputFileError, match=r"claims [0-9]+ bytes .* more than this file"):
        read_network(path, "literal")


def test_deep_nesting_stops_somewhere(tmp_path: Path) -> None:
    path = good_file(tmp_path / "deep.nir")
    with h5py.File(path, "a") as file:
        deep(file)
    with pytest.raises(InputFileError, match="is nested more than 32 groups deep"):
        read_network(path, "literal")


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    path = tmp_path / "x.nir"
    with pytest.raises(InputFileError, match=r"x\.nir: no such file\."):
        read_network(path)
    path.touch()
    with pytest.raises(InputFileError, match=r"x\.nir is empty\."):
        read_network(path)
    path.write_bytes(b"weights = 3\n")
    with pytest.raises(InputFileError, match=r"is not in a format that neurosim knows"):
        read_network(path)
    with pytest.raises(InputFileError, match="is a folder; a file is needed"):
        read_network(tmp_path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files(tmp_path: Path, share: float) -> None:
    path = good_file(tmp_path / "short.nir")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputFileError) as caught:
        read_network(path, "literal")
    assert str(caught.value).startswith(f"{path}")
    assert "\n" not in str(caught.value)


def own_file(path: Path) -> Path:
    """A network with a node of our own type."""
    write_network(Network.sequential([Input((2,)), Neuron(output="analog")]), path)
    return path


NEURON = "node/nodes/neuron1"
OWN_CASES: dict[str, tuple[Edit, str]] = {
    "newer version": (
        put(f"{NEURON}/version", 2),
        "node 'neuron1' (LIAF): version 2 of this node type is not known; this neurosim reads "
        "version 1. Install a newer one.",
    ),
    "unknown entry": (
        put(f"{NEURON}/refractory", 3),
        "node 'neuron1' (LIAF): the entry 'refractory' is not known in version 1.",
    ),
    "newer format": (
        put("node/metadata/neurosim/format", 7),
        "the file has neurosim's format 7; this neurosim reads 1. Install a newer one.",
    ),
}


@pytest.mark.parametrize(("edit", "message"), OWN_CASES.values(), ids=OWN_CASES.keys())
def test_what_a_later_version_may_write_is_refused(
    tmp_path: Path, edit: Edit, message: str
) -> None:
    path = own_file(tmp_path / "later.nir")
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(UnsupportedError) as caught:
        read_network(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put(f"{NEURON}/activation", "gelu"), "Neuron.activation is 'gelu'; known: identity"),
        (put(f"{NEURON}/mode", "XR"), "'mode' is 'XR'; known: NTR, TR."),
        (drop(f"{NEURON}/alpha"), "'alpha' is missing."),
        (drop(f"{NEURON}/activation"), "'activation' is missing."),
        (put(f"{NEURON}/clamp", np.ones(3)), "'clamp' has 3 entries; needed: low and high."),
        (put(f"{NEURON}/alpha", np.ones(7)), "Neuron.alpha has shape (7,); a layer of shape (2,)"),
        (put("node/metadata/neurosim/network", "{"), "neurosim's section of the metadata is"),
        (put("node/metadata/neurosim/network", "[]"), "neurosim's section of the metadata is"),
    ],
)
def test_damaged_files_of_our_own(tmp_path: Path, edit: Edit, message: str) -> None:
    path = own_file(tmp_path / "own.nir")
    with h5py.File(path, "a") as file:
        edit(file)
    with pytest.raises(InputFileError) as caught:
        read_network(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_readings_that_do_not_exist(tmp_path: Path) -> None:
    path = good_file(tmp_path / "net.nir")
    with pytest.raises(UsageError) as caught:
        read_network(path, "brian")
    assert str(caught.value) == (
        "There is no reading 'brian'; known: neurosim, literal, snntorch, spikingjelly, norse, "
        "sinabs, rockpool, liafnet."
    )
    with pytest.raises(UsageError, match="A reading has no choice 'speed'; known: dt, "):
        read_network(path, "literal", speed=3)
    with pytest.raises(UsageError, match="dt changes a reading, but none is chosen"):
        read_network(path, dt=1e-3)
    with pytest.raises(UsageError, match="There is no soft reset with the timing"):
        Reading("mine", reset="soft", reset_timing="next_step_drop_input")
    for wrong in ({"dt": 0.0}, {"dt": "fast"}, {"max_spikes": 0}, {"decay_clamp": (1, 0)}):
        with pytest.raises(UsageError):
            Reading("mine", **wrong)


def test_a_file_for_what_is_missing_that_does_not_have_it(tmp_path: Path) -> None:
    path = good_file(tmp_path / "net.nir")
    np.savez(tmp_path / "net.npz", other=np.ones(2))
    with pytest.raises(InputFileError, match=r"net\.npz has none of .*\.bias, .*; it has other\."):
        read_network(path, "rockpool", missing=str(tmp_path / "net.npz"))
    with pytest.raises(InputFileError, match=r"the reading's missing='no\.pt' does not exist\."):
        read_network(path, "rockpool,missing=no.pt")
    with pytest.raises(UsageError, match="missing of a reading is 3; a file name is needed"):
        read_network(path, "rockpool", missing=3)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    network = Network.sequential([Input((2,)), lif(1.0, 0.5)])
    missing = tmp_path / "nowhere" / "net.nir"
    with pytest.raises(UsageError, match=r"net\.nir cannot be written: No such file or directory"):
        write_network(network, missing)
    strange = Network(network.nodes, network.edges, provenance={"when": {1, 2}})
    with pytest.raises(UsageError, match="provenance is not plain JSON data"):
        write_network(strange, tmp_path / "net.nir")
    assert list(tmp_path.iterdir()) == []
