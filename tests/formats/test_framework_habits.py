"""What exporters do beyond their framework's defaults: each file written as they write it.

Expected outputs are the frameworks' step equations, written out.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.readers import Reading, read_network

RNG = np.random.default_rng(11)


def written(path: Path, nodes: list[Any], **options: Any) -> Path:
    """A chain of nodes as a file."""
    named = {str(i): node for i, node in enumerate(nodes)}
    graph = nir.NIRGraph(named, list(pairwise(named)), type_check=False)
    nir.write(str(path), graph, **options)
    return path


def ends(shape: Any, inner: list[Any]) -> list[Any]:
    """Input and Output around nodes."""
    at = np.asarray(shape)
    return [nir.Input({"input": at}), *inner, nir.Output({"output": at})]


def rockpool_lif(tau_mem: Any, tau_syn: Any, dt: float) -> Any:
    """A node as Rockpool writes a LIFTorch: r = tau exp(-dt/tau) / dt, w_in = 1."""
    n = len(tau_mem)
    r = tau_mem * np.exp(-dt / tau_mem) / dt
    return nir.CubaLIF(tau_syn, tau_mem, r, np.zeros(n), np.ones(n), np.zeros(n), np.ones(n))


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 5e-3, 0.03])
def test_rockpool_writes_its_time_step_into_r(tmp_path: Path, dt: float) -> None:
    tau_mem = np.array([0.02, 0.05, 0.011])
    tau_syn = np.array([0.01, 0.03, 0.008])
    node = rockpool_lif(tau_mem.astype(np.float32), tau_syn.astype(np.float32), dt)
    path = written(tmp_path / "r.nir", ends((3,), [node]))
    network = read_network(path, "rockpool")
    assert f"One tick of node '1' is {dt:g}, as its r tells." in network.assumptions
    x = RNG.uniform(0, 1.5, (4, 20, 3))
    i = v = np.zeros((4, 3))
    expected = np.zeros_like(x)
    for t in range(20):
        i = np.exp(-dt / tau_syn) * (i + x[:, t])
        v = np.exp(-dt / tau_mem) * v + i
        expected[:, t] = np.floor(np.maximum(v, 0))
        v = v - expected[:, t]
    assert expected.any()
    np.testing.assert_array_equal(run_float(network, x), expected)
    said = read_network(path, "rockpool", dt=dt)  # what is said counts
    np.testing.assert_array_equal(run_float(said, x), expected)


def test_an_r_that_tells_no_time_step(tmp_path: Path) -> None:
    tau = np.array([0.02, 0.05])
    node = rockpool_lif(tau, tau, 1e-3)
    node.r = np.array([1.0, 1.0])
    path = written(tmp_path / "r.nir", ends((2,), [node]))
    with pytest.raises(InputFileError, match=r"node '1' \(CubaLIF\): 'r' and the time constants"):
        read_network(path, "rockpool")
    delay = written(tmp_path / "d.nir", ends((2,), [nir.Delay(np.array([0.1, 0.1]))]))
    with pytest.raises(UsageError, match="give the reading a dt"):
        read_network(delay, "rockpool")
    assert Reading("mine", dt=None).as_dict()["dt"] is None


def test_sinabs_leaky_integrators_take_their_input_as_it_is(tmp_path: Path) -> None:
    one = np.ones(1)  # norm_input is True for LIF, but False for ExpLeak
    path = written(tmp_path / "s.nir", ends((1,), [nir.LI(4 * one, one, 0 * one)]))
    x = np.reshape([1.0, 0.5, -2.0], (1, 3, 1))
    decay, v, expected = np.exp(-0.25), 0.0, []
    for value in x.ravel():
        v = decay * v + value
        expected.append(v)
    np.testing.assert_allclose(run_float(read_network(path, "sinabs"), x).ravel(), expected)


def test_sinabs_clamps_after_the_value_that_a_reset_adds_to_all(tmp_path: Path) -> None:
    node = nir.LIF(np.full(3, 5.0), np.ones(3), np.zeros(3), np.ones(3))
    path = written(tmp_path / "s.nir", ends((3,), [node]))
    choices = {"gain": "unit", "reset": "hard", "reset_add_all": 0.25, "v_min": -0.5}
    x = RNG.uniform(-2, 1.5, (4, 20, 3))
    v, expected = np.zeros((4, 3)), np.zeros_like(x)
    for t in range(20):
        v = np.exp(-0.2) * v + x[:, t]
        expected[:, t] = np.floor(np.maximum(v, 0))
        v = np.maximum(v * (expected[:, t] == 0) + 0.25, -0.5)
    assert expected.any()
    np.testing.assert_array_equal(run_float(read_network(path, "sinabs", **choices), x), expected)


def test_a_declared_shape_of_parameters_that_spread_is_no_contradiction(tmp_path: Path) -> None:
    tau = RNG.uniform(2, 5, (3, 1, 1))
    node = nir.LIF(tau, np.ones_like(tau), np.zeros_like(tau), np.ones_like(tau))
    flat = nir.Flatten({"input": np.array([3, 1, 1])}, 0, -1)  # as infer_types of nir 1.0.4 has it
    nodes = [nir.Input({"input": np.array([3, 2, 2])}), node, flat]
    out = nir.Output({"output": np.array([12])})
    path = written(tmp_path / "f.nir", [*nodes, out])
    network = read_network(path, "sinabs")
    assert network.shapes["3"] == (12,)
    nodes[2] = nir.Flatten({"input": np.array([3, 1, 5])}, 0, -1)
    wrong = written(tmp_path / "w.nir", [*nodes, out])
    with pytest.raises(InputFileError, match=r"states the shape \(3, 1, 5\); its data have"):
        read_network(wrong, "sinabs")


def test_an_unconnected_part_is_named_also_behind_a_batch_axis(tmp_path: Path) -> None:
    nodes = {
        "input": nir.Input({"input": np.array([1, 2])}),
        "a": nir.Linear(np.ones((3, 2))),
        "b": nir.Linear(np.ones((3, 3))),
        "output": nir.Output({"output": np.array([1, 3])}),
    }
    edges = [("input", "a"), ("a", "output"), ("b", "output")]
    path = tmp_path / "lost.nir"
    nir.write(str(path), nir.NIRGraph(nodes, edges, type_check=False))
    with pytest.raises(InputFileError, match="Node 'b' cannot be reached from the input"):
        read_network(path)
