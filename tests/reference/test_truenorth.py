"""The TrueNorth neuron and its crossbar, against a slow model that follows the published rule.

Cassidy et al., IJCNN 2013: synapses, leak, threshold and reset, one neuron at a time in Python
integers. The draws of the model are written out again here, from their description.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chain import chain_program
from support.chips import make_chip

import neurosim
from neurosim import ProgramBuilder
from neurosim.errors import UsageError
from neurosim.image.build import make_image
from neurosim.program.builder import event_input
from neurosim.run import simulator
from neurosim_mapper import trace_truenorth

pytestmark = pytest.mark.exactness

N_CORES, N_AXONS, N_NEURONS, DELAYS = 3, 70, 41, 6


def fmix(h: int) -> int:
    """The 32-bit finaliser of MurmurHash3 (Appleby 2011)."""
    h = ((h ^ h >> 16) * 0x85EBCA6B) % 2**32
    h = ((h ^ h >> 13) * 0xC2B2AE35) % 2**32
    return h ^ h >> 16


def mix(state: int, word: int) -> int:
    return fmix((state ^ word * 0x9E3779B1) % 2**32)


def sign(a: int) -> int:
    return (a > 0) - (a < 0)


class SlowCore:
    """One core: a crossbar and its neurons."""

    def __init__(self, number, connected, types, neurons, seed, bits):
        self.number, self.connected, self.types, self.neurons = number, connected, types, neurons
        self.seed = seed
        self.low, self.high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        self.v = [n["v_start"] for n in neurons]

    def tick(self, tick, active):
        fired = []
        for j, n in enumerate(self.neurons):
            key = mix(mix(mix(self.seed, tick), self.number), j)
            v = self.v[j] + sum(
                self.synapse(n, i, key) for i in sorted(active) if self.connected[i][j]
            )
            v = self.leak(n, v, key)
            v = max(min(v, self.high), self.low)
            self.v[j], spike = self.fire(n, v, key)
            if spike:
                fired.append(j)
        return fired

    def synapse(self, n, axon, key):
        s, b = n["weight"][self.types[axon]], n["synapse_stochastic"][self.types[axon]]
        if b:
            return sign(s) if abs(s) >= mix(key, axon) >> 24 else 0
        return s

    def leak(self, n, v, key):
        leak = n["leak"]
        if n["leak_stochastic"]:
            leak = sign(leak) if abs(leak) >= mix(key, 65536) >> 24 else 0
        if not n["leak_reversal"]:
            return v + leak
        after = v + sign(v) * leak
        return 0 if sign(after) * sign(v) < 0 else after

    def fire(self, n, v, key):
        eta = mix(key, 65537) & n["threshold_mask"]
        alpha, beta, reset = n["threshold"], n["negative_threshold"], n["reset_value"]
        clip = lambda u: max(min(u, self.high), self.low)  # noqa: E731
        if v >= alpha + eta:
            return clip([reset, v - alpha - eta, v][n["reset_mode"]]), True
        if n["saturate"]:
            return (-beta if v < -beta else v), False
        if v < -(beta + eta):
            return clip([-reset, v + beta + eta, v][n["reset_mode"]]), False
        return v, False


def random_neuron(rng, plain):
    flag = (lambda: 0) if plain else (lambda: int(rng.random() < 0.3))
    return {
        "weight": [int(w) for w in rng.integers(-255, 256, 4)],
        "synapse_stochastic": [flag() for _ in range(4)],
        "leak": int(rng.integers(-60, 61)) * int(rng.random() < 0.7),
        "leak_stochastic": flag(),
        "leak_reversal": flag(),
        "threshold": int(rng.integers(1, 600)),
        "negative_threshold": int(rng.integers(0, 400)),
        "threshold_mask": flag() * (2 ** int(rng.integers(0, 12)) - 1),
        "reset_value": int(rng.integers(-80, 81)),
        "reset_mode": int(rng.integers(0, 3)),
        "saturate": int(rng.random() < 0.5),
        "v_start": int(rng.integers(-200, 200)),
    }


def random_core(rng):
    """Neurons of one kind, of kinds that share weights and modes, or all different."""
    variety = rng.choice(["one", "weights", "all"])
    plain = bool(rng.random() < 0.7)
    first = random_neuron(rng, plain)
    if rng.random() < 0.7:  # small enough that potentials fit in 16 bits, if modes allow it
        first["weight"] = [int(w) for w in rng.integers(-3, 4, 4)]
    neurons = []
    for _ in range(N_NEURONS):
        n = dict(first) if variety == "one" else random_neuron(rng, plain)
        if variety == "weights":
            shared = ("weight", "synapse_stochastic", "reset_mode", "saturate")
            n |= {k: first[k] for k in shared}
        n["v_start"] = int(rng.integers(-200, 200))
        neurons.append(n)
    connected = rng.random((N_AXONS, N_NEURONS)) < rng.random()
    return connected, rng.integers(0, 4, N_AXONS), neurons


def random_chip_net(seed, n_ticks):
    rng = np.random.default_rng(seed)
    chip = make_chip(
        core__soma_models=["truenorth", "liaf"],
        core__axon_collision="or",
        core__weight_bits=9,
        core__membrane_bits=14,
        core__axons=N_AXONS,
        core__neurons=N_NEURONS,
    )
    builder = ProgramBuilder(chip, n_inputs=12, seed=seed)
    slow, ways = [], []
    for c in range(N_CORES):
        connected, types, neurons = random_core(rng)
        core = builder.add_core(c, c % 2)
        core.set_crossbar(connected, types)
        columns = {k: np.array([n[k] for n in neurons]) for k in neurons[0]}
        core.set_truenorth(**columns)
        # the seed of sample 0 is mix(seed, 0)
        slow.append(SlowCore(c, connected, types, neurons, mix(seed % 2**32, 0), 14))
    for c in range(N_CORES):
        target = rng.integers(0, N_CORES, N_NEURONS)
        axon, delay = rng.integers(0, N_AXONS, N_NEURONS), rng.integers(1, DELAYS, N_NEURONS)
        builder.connect(c, np.arange(N_NEURONS), target, axon, delay)
        ways.append(list(zip(target.tolist(), axon.tolist(), delay.tolist(), strict=True)))
    inputs = [
        (int(rng.integers(0, N_CORES)), int(rng.integers(0, N_AXONS)), int(rng.integers(0, 3)))
        for _ in range(12)
    ]
    for element, (c, axon, delay) in enumerate(inputs):
        builder.connect_inputs([element], builder.cores[c], [axon], [delay])
    builder.add_layer("all", [(core, np.arange(N_NEURONS)) for core in builder.cores])
    x = (rng.random((1, n_ticks, 12)) < 0.4).astype(int)
    return builder.build("all"), slow, ways, inputs, x


def play_slowly(slow, ways, inputs, x):
    """Spikes (n_ticks, n_neurons), potentials, and counted events and operations."""
    n_ticks = x.shape[1]
    arriving = [[set() for _ in slow] for _ in range(n_ticks + DELAYS + 3)]
    spikes = np.zeros((n_ticks, N_CORES * N_NEURONS), int)
    potentials = np.zeros_like(spikes)
    events = ops = packets = 0
    for t in range(n_ticks):
        for element, (c, axon, delay) in enumerate(inputs):
            if x[0, t, element]:
                arriving[t + delay][c].add(axon)
        for c, core in enumerate(slow):
            active = arriving[t][c]
            events += len(active)
            ops += sum(int(core.connected[i].sum()) for i in active)
            for j in core.tick(t, active):
                target, axon, delay = ways[c][j]
                arriving[t + delay][target].add(axon)
                spikes[t, c * N_NEURONS + j] = 1
                packets += 1
            potentials[t, c * N_NEURONS : (c + 1) * N_NEURONS] = core.v
    return spikes, potentials, {"axon_events": events, "synaptic_ops": ops, "packets": packets}


@given(st.integers(0, 2**31 - 1))
def test_every_mode_equals_the_slow_model(seed):
    program, slow, ways, inputs, x = random_chip_net(seed, n_ticks=8)
    run = neurosim.simulate(program, x, probe=["all"], threads=1)
    spikes, potentials, counts = play_slowly(slow, ways, inputs, x)
    np.testing.assert_array_equal(run.outputs[0], spikes)
    np.testing.assert_array_equal(run.membrane["all"][0], potentials)
    reference = trace_truenorth(program, x)
    np.testing.assert_array_equal(reference.spikes[0], spikes)
    np.testing.assert_array_equal(reference.membrane[0], potentials)
    totals = neurosim.cost.counters.totals(program, run.counters)
    assert {name: totals[name] for name in counts} == counts


def test_the_reference_of_truenorth_neurons_wants_crossbars():
    with pytest.raises(UsageError, match="needs a program with nothing but crossbar cores"):
        trace_truenorth(chain_program(), np.zeros((1, 1, 1)))


@pytest.mark.parametrize("threads", [2, 7])
def test_workers_together_change_nothing(threads, monkeypatch):
    program, *_, x = random_chip_net(3, n_ticks=30)
    one = neurosim.simulate(program, x, probe=["all"], threads=1)
    monkeypatch.setattr(simulator, "TOGETHER_NEURONS", 1)
    run = neurosim.simulate(program, x, probe=["all"], threads=threads)
    np.testing.assert_array_equal(run.outputs, one.outputs)
    np.testing.assert_array_equal(run.membrane["all"], one.membrane["all"])
    for name, column in one.counters.columns().items():
        np.testing.assert_array_equal(run.counters.columns()[name], column, err_msg=name)


def test_the_cycle_level_network_gives_the_same_spikes():
    program, *_, x = random_chip_net(4, n_ticks=12)
    ideal = neurosim.simulate(program, x, noc="ideal")
    cycle = neurosim.simulate(program, x, noc="cycle")
    np.testing.assert_array_equal(ideal.outputs, cycle.outputs)
    np.testing.assert_array_equal(ideal.counters.core, cycle.counters.core)


@pytest.mark.parametrize("n_active", [1, 6, 7, 8, 40, 70, 300])
@pytest.mark.parametrize("weight", [1, 3, -37, 200, -255])
@pytest.mark.parametrize("top", [2**23 - 1, 20000])
def test_any_number_of_axons_of_one_weight(n_active, weight, top):
    """The sum is weight x active axons, whichever way of adding is taken, in 32 bits or in 16."""
    n_axons = 300
    chip = make_chip(
        core__soma_models=["truenorth"], core__weight_bits=9, core__axons=n_axons,
        core__synapses=1 << 20, core__synapse_memory_bytes=1 << 20,
        packet__fields=[{"name": "dx", "bits": 9}, {"name": "dy", "bits": 9},
                        {"name": "axon", "bits": 9}],
    )  # fmt: skip
    builder = ProgramBuilder(chip, n_inputs=n_axons)
    core = builder.add_core(0, 0)
    core.set_crossbar(np.ones((n_axons, 5), bool), np.zeros(n_axons, int))
    core.set_truenorth(weight=[weight, 0, 0, 0], threshold=top, negative_threshold=top, saturate=1)
    builder.connect_inputs(np.arange(n_axons), core, np.arange(n_axons))
    builder.add_layer("all", [(core, np.arange(5))])
    program = builder.build("all")
    x = event_input(np.zeros(n_active, int), np.arange(n_active), 1, n_axons)
    run = neurosim.simulate(program, x, probe=["all"], threads=1)
    total = weight * n_active
    assert (run.membrane["all"][0, 0] == (max(total, -top) if total < top else 0)).all()
    assert (program.image.crossbar.n_narrow == 64) == (abs(weight) * n_axons + top <= 32767)


MODES = st.fixed_dictionaries(
    {"reset_mode": st.integers(0, 1), "saturate": st.integers(0, 1), "leak": st.integers(-9, 9)}
)


def driven_core(modes, weight, n_axons=16, **values):
    """One neuron with a type of axon for each sign of `weight`, all connected."""
    chip = make_chip(
        core__soma_models=["truenorth"], core__weight_bits=9, core__axons=n_axons,
        core__membrane_bits=20, packet__fields=[{"name": "axon", "bits": 9}],
    )  # fmt: skip
    builder = ProgramBuilder(chip, n_inputs=n_axons)
    core = builder.add_core(0, 0)
    types = np.arange(n_axons) % 2
    core.set_crossbar(np.ones((n_axons, 1), bool), types)
    neuron = {"v_start": 0, "reset_value": 0} | modes | values
    core.set_truenorth(weight=[weight, -weight, 0, 0], **neuron)
    builder.connect_inputs(np.arange(n_axons), core, np.arange(n_axons))
    builder.add_layer("all", [(core, np.arange(1))])
    return builder.build("all"), types, neuron


@given(MODES, st.integers(1, 255), st.integers(0, 2**31 - 1))
def test_narrow_potentials_never_leave_their_bounds(modes, weight, seed):
    """16 bits are taken up to the last threshold that allows them; the sums are those of 20 bits.

    The thresholds are the smallest that the proof accepts (what eight axons and the leak can add)
    or the largest (32,767 less that).
    """
    rng = np.random.default_rng(seed)
    most = 8 * weight + abs(modes["leak"])
    threshold = int(rng.choice([most, 32767 - most]))
    low = int(rng.choice([most, 32767 - most]))
    program, types, neuron = driven_core(modes, weight, threshold=threshold, negative_threshold=low)
    assert program.image.crossbar.narrow_row[0] == 0
    assert make_image(program, narrow=False).crossbar.narrow_row[0] == -1
    side = np.repeat(rng.integers(0, 2, 6), 10)[:, None]  # one sign for ten ticks
    x = (types == side) | (rng.random((60, 16)) < 0.1)
    slow = SlowCore(0, np.ones((16, 1), bool), types, [plain_neuron(weight, neuron)], 0, 20)
    expected = []
    for tick in range(60):
        slow.tick(tick, np.flatnonzero(x[tick]).tolist())
        expected.append(slow.v[0])
    run = neurosim.simulate(program, x[None].astype(int), probe=["all"], threads=1)
    np.testing.assert_array_equal(run.membrane["all"][0, :, 0], expected)


def plain_neuron(weight, values):
    """A neuron without draws as the slow model takes it."""
    off = {"synapse_stochastic": [0] * 4, "leak_stochastic": 0, "leak_reversal": 0}
    return {"weight": [weight, -weight, 0, 0], "threshold_mask": 0} | off | values


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": 32767},  # and what one tick adds would not fit
        {"threshold": 79, "reset_mode": 1},  # 80 may come in a tick: it might rise for ever
        {"negative_threshold": 79, "reset_mode": 1, "saturate": 0},
        {"reset_mode": 2},
        {"reset_value": -32768},
        {"v_start": 32700},
    ],
)
def test_what_might_not_fit_keeps_its_width(values):
    given_values = {"threshold": 1000, "negative_threshold": 1000, "reset_mode": 0, "saturate": 1}
    program, *_ = driven_core({"leak": 0}, 10, **given_values | values)
    assert program.image.crossbar.narrow_row[0] == -1


@pytest.mark.parametrize("row", [0, N_AXONS - 1])
def test_crossbar_bits_are_those_that_were_counted(row):
    """A bit more, also one behind the last neuron, is no longer what `axons.synapses` says."""
    program, *_ = random_chip_net(5, n_ticks=1)
    assert not program.violations
    for bit in (N_NEURONS - 1, N_NEURONS):
        crossbar = program.synapses.crossbar.copy()
        crossbar[row] ^= np.uint64(1 << bit)
        other = replace(program, synapses=program.synapses._replace(crossbar=crossbar))
        assert "axons.synapses" in str(other.violations[0])


def test_potentials_can_be_changed_between_chunks():
    """Whoever changes potentials finds them in 32 bits, also those that a run keeps in 16."""
    modes = {"reset_mode": 0, "saturate": 1, "leak": 3}
    program, *_ = driven_core(modes, 1, threshold=1000, negative_threshold=1000)
    assert program.image.crossbar.n_narrow == 64
    x = np.zeros((4, 16), int)

    def push(state, tick):
        if tick == 4:
            state.soma.v[0] += 100_000  # more than 16 bits hold: it fires and is reset to 0

    untouched = neurosim.simulate_chunks(program, [x, x], 8, probe=["all"])
    pushed = neurosim.simulate_chunks(program, [x, x], 8, probe=["all"], between=push)
    assert untouched.membrane["all"][0, :, 0].tolist() == [3, 6, 9, 12, 15, 18, 21, 24]
    assert pushed.membrane["all"][0, :, 0].tolist() == [3, 6, 9, 12, 0, 3, 6, 9]
    assert pushed.outputs[0, :, 0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
