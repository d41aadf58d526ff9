"""RNN, GRU and LSTM layers: torch's numbers in float, and chip and reference equal in integers."""

from __future__ import annotations

import numpy as np
import pytest

import neurosim
from neurosim.chip.files import chip_with, load_chip
from neurosim.errors import DoesNotFitError, InputFileError, UnsupportedError, UsageError
from neurosim_mapper.activations import sigmoid
from neurosim_mapper.float_executor import run_float, trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Conv, Input, Linear, Neuron, Product, liaf
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.products import lower
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.recurrent import GATES, Recurrent, expand_recurrent
from neurosim_mapper.reference import run_reference

CHIP = load_chip("tianjic")
KINDS = ("rnn", "gru", "lstm")


def layer(kind: str, inputs: int = 3, cells: int = 4, seed: int = 0, kernel=()) -> Recurrent:
    rng, rows = np.random.default_rng(seed), GATES[kind] * cells
    return Recurrent(
        kind,
        rng.normal(0, 0.6, (rows, inputs, *kernel)),
        rng.normal(0, 0.4, (rows, cells, *kernel)),
        rng.normal(0, 0.3, rows),
        rng.normal(0, 0.3, rows),
    )


def network(kind: str, **more) -> Network:
    return Network.sequential([Input((3,)), layer(kind, **more)], readout="last")


def samples(n: int = 7, ticks: int = 6, shape=(3,)) -> np.ndarray:
    return np.random.default_rng(1).integers(-3, 4, (n, ticks, *shape)).astype(np.float64)


def step(node: Recurrent, linear, x, h, c):
    """One tick by the equations, without any of the tricks of the expansion."""
    n = node.cells
    u = linear(node.weight_ih, x) + node.bias_ih.reshape(-1, *[1] * (x.ndim - 2))
    v = linear(node.weight_hh, h) + node.bias_hh.reshape(-1, *[1] * (x.ndim - 2))
    us, vs = (np.split(a, GATES[node.kind], axis=1) for a in (u, v))
    assert us[0].shape[1] == n
    if node.kind == "rnn":
        return np.tanh(u + v), c
    if node.kind == "gru":
        r, z = sigmoid(us[0] + vs[0]), sigmoid(us[1] + vs[1])
        return (1 - z) * np.tanh(us[2] + r * vs[2]) + z * h, c
    i, f, g, o = (a + b for a, b in zip(us, vs, strict=True))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


@pytest.mark.parametrize("kind", KINDS)
def test_equals_torch(kind):
    torch = pytest.importorskip("torch")
    node = layer(kind, 5, 7)
    module = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](
        5, 7, batch_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(module, f"{name}_l0").copy_(torch.tensor(getattr(node, name)))
        x = samples(shape=(5,))
        expected = module(torch.tensor(x))[0].numpy()
    found = run_float(Network.sequential([Input((5,)), node]), x)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_convolutional_layers_follow_the_equations(kind):
    node = layer(kind, 2, 3, kernel=(3, 3))
    x = samples(2, 4, (2, 5, 4))

    def convolve(weight, values):
        chain = [Input(values.shape[1:]), Conv(weight, padding=((1, 1), (1, 1)))]
        flat = run_float(Network.sequential(chain), values[:, None])[:, 0]
        return flat.reshape(len(values), -1, 5, 4)

    found = run_float(Network.sequential([Input((2, 5, 4)), node]), x)
    h = c = np.zeros((2, 3, 5, 4))
    for tick in range(4):
        h, c = step(node, convolve, x[:, tick], h, c)
        np.testing.assert_allclose(found[:, tick], h.reshape(2, -1), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_lowering_changes_nothing_in_float(kind):
    x, whole = samples(), network(kind)
    plain = lower(whole, x)
    assert not any(isinstance(node, Recurrent | Product) for node in plain.nodes.values())
    np.testing.assert_allclose(run_float(plain, x), run_float(whole, x), atol=1e-12)
    assert lower(plain, None) is plain


@pytest.mark.exactness
@pytest.mark.parametrize("max_delay", [1, 15])
@pytest.mark.parametrize("kind", KINDS)
def test_the_chip_equals_the_reference(kind, max_delay):
    """Seven samples take turns, five at a time; with short delays there are relays besides."""
    chip = chip_with(CHIP, {"core.max_delay_ticks": max_delay}, "a test")
    x, labels = samples(), np.zeros(7, np.int64)
    quantized = quantize(network(kind), chip, x)
    program = map_network(quantized, chip, placer="row-major")
    probe = quantized.layers[0].name
    run = neurosim.simulate(program, x, labels=labels, probe=[probe])
    np.testing.assert_array_equal(run.outputs, run_reference(quantized, x))
    assert run.values[probe].shape[:2] == (7, 6)
    at_once = 1 if kind == "rnn" else 5
    assert program.interleave == at_once
    assert (run.counters.n_samples, run.counters.n_passes) == (7, -(-7 // at_once))
    assert run.report().to_dict()["samples"] == 7
    one = neurosim.simulate(program, x[3:4])
    np.testing.assert_array_equal(one.outputs, run.outputs[3:4])


@pytest.mark.exactness
def test_convolutional_gates_on_the_chip():
    x = samples(6, 4, (2, 5, 4))
    whole = Network.sequential([Input((2, 5, 4)), layer("lstm", 2, 2, kernel=(3, 3))])
    quantized = quantize(whole, CHIP, x)
    program = map_network(quantized, CHIP, placer="row-major")
    run = neurosim.simulate(program, x)
    np.testing.assert_array_equal(run.outputs, run_reference(quantized, x))


def test_a_deep_loop_without_memory_needs_no_gates():
    """h = relu(B relu(A x + C h)): two stages, so two samples take turns."""
    rng = np.random.default_rng(2)
    a, b, c = (Linear(rng.integers(-2, 3, (3, 3)).astype(float)) for _ in range(3))
    plain = liaf(1.0, 0.0, reset="none", clamp=(0.0, 100.0))
    nodes = {"input": Input((3,)), "a": a, "c": c, "one": plain, "b": b, "two": plain}
    edges = [("input", "a"), ("a", "one"), ("c", "one"), ("one", "b"), ("b", "two"), ("two", "c")]
    found = Network.sequential([Input((3,)), plain])
    nodes["output"] = found.nodes["output"]
    loop = Network(nodes, (*edges, ("two", "output")))
    x = np.abs(samples())
    quantized = quantize(loop, CHIP, x)
    program = map_network(quantized, CHIP, placer="row-major")
    assert program.interleave == 2
    np.testing.assert_array_equal(
        neurosim.simulate(program, x).outputs, run_reference(quantized, x)
    )
    np.testing.assert_array_equal(run_reference(quantized, x), run_float(loop, x))


def test_integers_stay_close_to_float():
    """30 dB: the noise is 3 % of the signal, or about 3 steps of an 8-bit value."""
    for kind in KINDS:
        x, whole = samples(40, 12), network(kind, cells=8)
        quantized = quantize(whole, CHIP, x)
        unit = quantized.by_name[quantized.output].output_unit
        expected = run_float(whole, x)
        noise = run_reference(quantized, x) * unit - expected
        assert 10 * np.log10(np.square(expected).sum() / np.square(noise).sum()) > 30


def test_inputs_are_sent_in_fine_steps():
    """-3..3 in 127 steps each way: 42 steps of 1/42 make one; spikes 0, 1 in 255 of 1/255."""
    x = samples()
    quantized = quantize(network("gru"), CHIP, x)
    assert quantized.input_code.unit == 1 / 42
    assert any("steps of 0.0238" in note for note in quantized.assumptions)
    spikes = quantize(network("gru"), CHIP, (x > 0).astype(float)).input_code
    assert (spikes.kind, spikes.unit) == ("analog", 1 / 255)
    assert quantize(network("gru"), CHIP, x > 0, input_kind="spike").input_code.kind == "spike"
    with pytest.raises(DoesNotFitError, match=r"'recurrent1.r' sends analog packets; truenorth"):
        quantize(network("gru"), load_chip("truenorth"), x > 0)


def test_neurons_of_the_expansion_can_be_watched():
    trace = trace_float(network("lstm"), samples(2))
    assert {"recurrent1", "recurrent1.c", "recurrent1.i"} <= set(trace.Y)
    assert expand_recurrent(Network.sequential([Input((3,)), Neuron()])).feedback == ()


def test_refusals():
    with pytest.raises(InputFileError, match=r"known: rnn, gru, lstm"):
        Recurrent("elman", np.ones((3, 3)), np.ones((3, 3)))
    with pytest.raises(InputFileError, match=r"needed: \(3 n, inputs, \.\.\.\) and"):
        Recurrent("gru", np.ones((6, 3)), np.ones((6, 3)))
    with pytest.raises(InputFileError, match="bias_ih has 2 entries, needs 6"):
        Recurrent("gru", np.ones((6, 3)), np.ones((6, 2)), np.ones(2))
    with pytest.raises(InputFileError, match="known: tanh, and relu for an rnn"):
        Recurrent("gru", np.ones((6, 3)), np.ones((6, 2)), activation="relu")
    with pytest.raises(InputFileError, match=r"expects 3 inputs, but gets shape \(5,\)"):
        Network.sequential([Input((5,)), layer("gru")])
    with pytest.raises(UsageError, match=r"nothing bounds its analog output. Give calibration"):
        quantize(network("gru"), CHIP)
    keeping = Network.sequential([Input((3,)), layer("gru"), liaf(1.0, 0.5)])
    with pytest.raises(UnsupportedError, match="samples could take turns; 'neuron2' has a pot"):
        map_network(keeping, CHIP, samples(), placer="row-major")
    nodes = {**network("rnn").nodes, "times": Product()}
    edges = (*network("rnn").edges, ("recurrent1", "times"))
    with pytest.raises(InputFileError, match="'times' is a product of 1 sources; exactly two"):
        Network(nodes, edges)
