"""Files of ours open in the `nir` package, and files of the `nir` package open here."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    BatchNorm,
    Conv,
    Delay,
    Flatten,
    Input,
    Linear,
    Neuron,
    Node,
    Output,
    Pool,
    Scale,
    liaf,
    lif,
)
from neurosim_mapper.readers import read_network, write_network

RNG = np.random.default_rng(7)


def li(alpha: float) -> Neuron:
    """A leaky integrator that never fires."""
    return Neuron(output="analog", alpha=np.asarray(alpha), reset="none")


def image_network() -> Network:
    """Every node that plain NIR can say, in two space axes."""
    return Network.sequential(
        [
            Input((2, 8, 8)),
            Conv(RNG.normal(size=(4, 2, 3, 3)), None, (1, 1), ((1, 1), (1, 1))),
            Scale(2.0),
            lif([0.5, 0.6, 0.7, 0.8], 0.9, v_reset=-0.1, beta=0.01, v_start=0.01),
            Pool("sum", (2, 2), (2, 2)),
            Conv(RNG.normal(size=(4, 4, 3, 3)), RNG.normal(size=4), (2, 1), ((0, 0), (1, 1))),
            lif(1.0, 1.0, strict=True),
            Pool("avg", (1, 2), (1, 2)),
            Flatten(),
            Linear(RNG.normal(size=(6, 8))),
            li(0.5),
            Linear(RNG.normal(size=(5, 6)), RNG.normal(size=5)),
            Delay(2),
            lif(0.3, 0.0),
            li(1.0),
        ]
    )


def test_plain_nir_networks_open_in_the_nir_package(tmp_path: Path) -> None:
    path = tmp_path / "plain.nir"
    network = image_network()
    write_network(network, path)
    graph = nir.read(str(path))  # with its type check
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds == {
        "input": "Input",
        "conv1": "Conv2d",
        "scale2": "Scale",
        "neuron3": "LIF",
        "pool4": "SumPool2d",
        "conv5": "Conv2d",
        "neuron6": "IF",
        "pool7": "AvgPool2d",
        "flatten8": "Flatten",
        "linear9": "Linear",
        "neuron10": "LI",
        "linear11": "Affine",
        "delay12": "Delay",
        "neuron13": "Threshold",
        "neuron14": "I",
        "output": "Output",
    }
    assert sorted(graph.edges) == sorted(network.edges)
    neuron = graph.nodes["neuron3"]
    # 1 - dt / tau = 0.9; r dt / tau = 1; v_leak dt / tau = 0.01 for dt = 1e-4
    np.testing.assert_allclose(1 - 1e-4 / neuron.tau, np.full((4, 8, 8), 0.9))
    np.testing.assert_allclose(neuron.r * 1e-4 / neuron.tau, np.ones((4, 8, 8)))
    np.testing.assert_allclose(neuron.v_leak * 1e-4 / neuron.tau, np.full((4, 8, 8), 0.01))
    np.testing.assert_array_equal(neuron.v_threshold[:, 3, 5], [0.5, 0.6, 0.7, 0.8])


def test_a_file_rewritten_by_the_nir_package_still_says_all(tmp_path: Path) -> None:
    network = Network.sequential(
        [Input((3,)), Linear(RNG.normal(size=(2, 3))), lif(1.0, 0.9, v_reset=-0.1)]
    )
    write_network(network, tmp_path / "ours.nir")
    nir.write(str(tmp_path / "theirs.nir"), nir.read(str(tmp_path / "ours.nir")))
    x = RNG.uniform(0, 1, (4, 9, 3))
    again = read_network(tmp_path / "theirs.nir")
    np.testing.assert_array_equal(run_float(again, x), run_float(network, x))


def test_the_equation_alone_means_the_same(tmp_path: Path) -> None:
    network = image_network()
    write_network(network, tmp_path / "plain.nir")
    x = RNG.integers(0, 2, (3, 6, 2, 8, 8))
    literal = read_network(tmp_path / "plain.nir", "literal")
    # Ties apart (the letter of NIR is ">"), so that only the analog end is compared.
    np.testing.assert_allclose(run_float(literal, x), run_float(network, x), atol=1e-9)


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (liaf(1.0, 0.5), (3,)),
        (lif(1.0, 0.5, reset="soft", rho=1.0), (3,)),
        (BatchNorm(np.zeros(3), np.ones(3), np.ones(3), np.zeros(3)), (3,)),
        (Pool("max", (2, 2), (2, 2)), (3, 4, 4)),
        (Conv(np.ones((1, 3, 2, 2)), None, (1, 1), ((0, 1), (0, 1))), (3, 4, 4)),
    ],
)
def test_other_readers_refuse_what_nir_cannot_say(
    tmp_path: Path, node: Node, shape: tuple[int, ...]
) -> None:
    write_network(Network.sequential([Input(shape), node]), tmp_path / "own.nir")
    with pytest.raises(AssertionError):
        nir.read(str(tmp_path / "own.nir"))


# -- files of the nir package ---------------------------------------------------------------


def save(path: Path, nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> Path:
    nir.write(str(path), nir.NIRGraph(nodes, edges, type_check=False))
    return path


def chain(path: Path, shape: tuple[int, ...], *nodes: nir.NIRNode, out: Any = (1,)) -> Path:
    """A file with one node after the other, named so that "10" would sort before "2"."""
    inner = {str(i): node for i, node in enumerate(nodes, 1)}
    everything = {
        "in": nir.Input(np.array(shape)),
        **inner,
        "out": nir.Output(np.array(out)),
    }
    names = list(everything)
    return save(path, everything, list(pairwise(names)))


def test_more_than_ten_nodes_keep_their_order(tmp_path: Path) -> None:
    nodes = [nir.Affine(np.eye(1) * 2, np.ones(1)) for _ in range(11)]
    network = read_network(chain(tmp_path / "deep.nir", (1,), *nodes))
    assert network.order == ("in", *map(str, range(1, 12)), "out")
    assert run_float(network, np.zeros((1, 1, 1)))[0, 0, 0] == 2**11 - 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_literal_lif_is_the_euler_step(tmp_path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    def full(value: float) -> np.ndarray:
        return np.full(shape, value, dtype)

    tau, r, leak, theta, reset = 8.0, 2.0, 0.25, 1.5, -0.5
    node = nir.LIF(full(tau), full(r), full(leak), full(theta), full(reset))
    if not shape:  # the nir package cannot write 0-d arrays
        path = chain(tmp_path / "a.nir", (2,), nir.Scale(np.ones(2)), out=(2,))
        _replace_node(path, "1", node)
    else:
        path = chain(tmp_path / "a.nir", (2,), node, out=(2,))
    x = RNG.uniform(0, 12, (1, 20, 2))
    v, expected = np.zeros(2), []
    for step in x[0]:
        v = v + 1 / tau * (leak - v + r * step)
        expected.append(v > theta)
        v = np.where(v > theta, reset, v)
    assert np.any(expected)
    network = read_network(path, "literal", dt=1.0)
    np.testing.assert_array_equal(run_float(network, x)[0], np.array(expected))


def _replace_node(path: Path, name: str, node: nir.LIF) -> None:
    with h5py.File(path, "a") as file:
        group = file["node/nodes"]
        del group[name]
        group = group.create_group(name)
        group["type"] = "LIF"
        for key in ("tau", "r", "v_leak", "v_threshold", "v_reset"):
            group[key] = getattr(node, key)


def test_neurons_that_do_not_fire(tmp_path: Path) -> None:
    one = np.ones(1)
    path = chain(tmp_path / "li.nir", (1,), nir.I(2 * one), nir.LI(4 * one, 8 * one, 3 * one))
    y = run_float(read_network(path, "literal", dt=0.5), np.reshape([1.0, 0.0], (1, 2, 1)))
    # I: 0.5 * 2 * 1 = 1, 1; LI: a = 1 - 0.5/4, gain 8 * 0.5/4 = 1, constant 3/8
    first = 1 + 0.375
    assert y[0, :, 0].tolist() == [first, 0.875 * first + 1.375]


def test_current_based_neurons(tmp_path: Path) -> None:
    one = np.ones(1)
    node = nir.CubaLIF(
        tau_syn=2 * one,
        tau_mem=4 * one,
        r=8 * one,
        v_leak=0 * one,
        v_threshold=3 * one,
        v_reset=one,
        w_in=2 * one,
    )
    x = RNG.uniform(0, 0.7, (1, 30, 1))
    current = v = 0.0
    expected = []
    for step in x[0, :, 0]:
        current = current + 0.5 * (-current + 2 * step)
        v = v + 0.25 * (-v + 8 * current)
        expected.append(float(v > 3))
        v = 1.0 if v > 3 else v
    assert 0 < sum(expected) < 30
    network = read_network(chain(tmp_path / "cuba.nir", (1,), node), "literal", dt=1.0)
    assert run_float(network, x)[0, :, 0].tolist() == expected


def test_delays_of_different_length_become_branches(tmp_path: Path) -> None:
    path = chain(tmp_path / "d.nir", (3,), nir.Delay(np.array([0.0, 1e-4, 3e-4])), out=(3,))
    y = run_float(read_network(path, "literal"), np.arange(1.0, 13.0).reshape(1, 4, 3))
    assert y[0].tolist() == [[1, 0, 0], [4, 2, 0], [7, 5, 0], [10, 8, 3]]


def recurrent_nodes() -> dict[str, nir.NIRNode]:
    one = np.ones(1)
    return {
        "lif": nir.IF(1e4 * one, 1.5 * one, 0 * one),
        "w_rec": nir.Affine(np.array([[0.75]]), np.array([0.5])),
    }


def flat_recurrence(path: Path) -> Path:
    nodes = {f"1.{k}": v for k, v in recurrent_nodes().items()}
    nodes |= {"in": nir.Input(np.array([1])), "out": nir.Output(np.array([1]))}
    edges = [("in", "1.lif"), ("1.lif", "1.w_rec"), ("1.w_rec", "1.lif"), ("1.lif", "out")]
    return save(path, nodes, edges)


def nested_recurrence(path: Path) -> Path:
    inner = recurrent_nodes()
    inner |= {"input": nir.Input(np.array([1])), "output": nir.Output(np.array([1]))}
    edges = [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")]
    graph = nir.NIRGraph(inner, edges, type_check=False)
    nodes = {"in": nir.Input(np.array([1])), "1": graph, "out": nir.Output(np.array([1]))}
    return save(path, nodes, [("in", "1"), ("1", "out")])


@pytest.mark.parametrize("write", [flat_recurrence, nested_recurrence])
def test_recurrence_flat_and_nested(tmp_path: Path, write: Any) -> None:
    network = read_network(write(tmp_path / "r.nir"), "literal")
    assert set(network.nodes) == {"in", "out", "1.lif", "1.w_rec"}
    # v = 0.5 + 0.5 (bias acts at once); 1.0 + 0.25 + 0.5 fires; 0 + 0.75 + 0.5; + 0.5 fires
    y = run_float(network, np.reshape([0.5, 0.25, 0.0, 0.0], (1, 4, 1)))
    assert y[0, :, 0].tolist() == [0, 1, 0, 1]


def test_several_edges_into_one_node_add_up(tmp_path: Path) -> None:
    nodes = {
        "in": nir.Input(np.array([2])),
        "a": nir.Linear(np.array([[1.0, 2.0]])),
        "b": nir.Linear(np.array([[10.0, 20.0]])),
        "out": nir.Output(np.array([1])),
    }
    path = save(tmp_path / "sum.nir", nodes, [("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")])
    assert run_float(read_network(path), np.ones((1, 1, 2))).tolist() == [[[33.0]]]


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 1), (0, 1))),
        (2, ((2, 2), (2, 2))),
        ((1, 0), ((1, 1), (0, 0))),
        (np.array([1]), ((1, 1), (1, 1))),
    ],
)
def test_all_forms_of_padding(tmp_path: Path, padding: Any, expected: Any) -> None:
    node = nir.Conv2d((4, 4), np.ones((1, 1, 3, 2)), 1, "valid", 1, 1, np.zeros(1))
    node.padding = padding
    nodes = {"in": nir.Input(np.array([1, 4, 4])), "1": node}
    network = read_network(save(tmp_path / "c.nir", nodes, [("in", "1")]))
    convolution = network.nodes["1"]
    assert isinstance(convolution, Conv)
    assert convolution.padding == expected


def test_one_dimensional_convolution(tmp_path: Path) -> None:
    weight = RNG.normal(size=(4, 1, 3))
    node = nir.Conv1d(9, weight, 2, "valid", 2, 2, np.arange(4.0))
    path = save(tmp_path / "c.nir", {"in": nir.Input(np.array([2, 9])), "c": node}, [("in", "c")])
    x = RNG.normal(size=(1, 1, 2, 9))
    expected = np.array(
        [
            [sum(weight[o, 0, k] * x[0, 0, o // 2, 2 * i + 2 * k] for k in range(3)) + o]
            for o in range(4)
            for i in range(3)
        ]
    ).ravel()
    np.testing.assert_allclose(run_float(read_network(path), x)[0, 0], expected)


def test_batch_and_time_axes_in_front_of_the_input_are_dropped_and_said(tmp_path: Path) -> None:
    for shape in [(1, 3), (1, 1, 3), (8, 3)]:
        path = chain(tmp_path / "r.nir", shape, nir.Linear(np.ones((2, 3))), out=(*shape[:-1], 2))
        network = read_network(path)
        assert network.input_shape == (3,)
        assert network.assumptions == (
            f"The input is declared as {shape}; its axes (3,) are taken.",
        )


def test_a_perfect_integrator_written_with_infinities(tmp_path: Path) -> None:
    inf, one = np.array([np.inf]), np.ones(1)
    path = chain(tmp_path / "inf.nir", (1,), nir.LIF(inf, inf, 0 * one, one, 0 * one))
    y = run_float(read_network(path, "snntorch"), np.full((1, 4, 1), 0.5))
    # U = 0.5, 1.0, 1.5 fires (">"), 2.0 - 1.0 = 1.0
    assert y[0, :, 0].tolist() == [0, 0, 1, 0]
    assert run_float(read_network(path, "literal"), np.full((1, 4, 1), 0.5)).sum() == 1


def test_a_foreign_file_needs_a_reading_and_gets_a_hint(tmp_path: Path) -> None:
    tau = np.array([2e-3])
    node = nir.LIF(tau, tau / 1e-4, 0 * tau, np.ones(1), 0 * tau)
    node.r = node.r.astype(np.float32)
    path = chain(tmp_path / "s.nir", (1,), node)
    with pytest.raises(UsageError) as caught:
        read_network(path)
    assert str(caught.value) == (
        f"{path}: node '1' (LIF) is a differential equation, and the file does not say how it was "
        "stepped (time step, decay, input gain, reset). It looks like a file of snntorch (r = tau "
        "/ dt for dt = 1e-4). Choose a reading: literal, snntorch, spikingjelly, norse, sinabs, "
        "rockpool, liafnet."
    )
    network = read_network(path, "snntorch", reset="hard", reset_timing="same_step")
    assert network.provenance["reading"]["name"] == "snntorch"
    assert "A neuron resets to v_reset, same step." in network.assumptions


def test_an_edited_equation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "edited.nir"
    write_network(Network.sequential([Input((1,)), lif(1.0, 0.9)]), path)
    with h5py.File(path, "a") as file:
        file["node/nodes/neuron1/tau"][...] = 5e-3
    with pytest.raises(InputFileError, match="contradict each other"):
        read_network(path)
    neuron = read_network(path, "literal").nodes["neuron1"]
    assert isinstance(neuron, Neuron)
    np.testing.assert_allclose(neuron.alpha, 1 - 1e-4 / 5e-3)
    assert isinstance(read_network(path, "literal").nodes["output"], Output)
