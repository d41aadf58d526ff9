"""The reference executor of TrueNorth neurons: a `Program` of crossbars in plain numpy.

Enters: a Program whose cores are all crossbars, and inputs. Leaves: every spike and potential that
a chip must give. Promised: exact 64-bit arithmetic, one line per step of the neuron, nothing of
the simulator. Draws depend on the core of a neuron and its place there, so this executor knows
cores where `neurosim_mapper.reference` knows layers.

One tick of a neuron, in this order (Cassidy et al., IJCNN 2013; `neurosim.soma.truenorth` has the
equation and the generator), with ``r`` and ``r_T`` fresh draws::

    V   = V + sum over active axons of the weight of their type, or of its sign if |weight| >= r
    L   = leak, or its sign if |leak| >= r, else 0; with leak reversal times the sign of V
    U   = saturate(0 if leak reversal and V + L has the other sign of V, else V + L)
    eta = r_T & threshold_mask
    U >= threshold + eta: fires, V = reset_value | U - threshold - eta | U   (mode 0 | 1 | 2)
    U < -(negative_threshold + eta): V = -reset_value | U + negative_threshold + eta | U
        (with `saturate` V = max(U, -negative_threshold) takes the place of that line)
    V = saturate(V)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.fixed_point import saturate
from neurosim.program.columns import SYNAPSE_FORMATS, PacketTable, Program
from neurosim.run.encoding import encode_input

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAK_DRAW, THRESHOLD_DRAW = 65536, 65537  # numbers of draws behind those of the axons


@dataclass(frozen=True)
class TrueNorthTrace:
    """What all neurons did, in the order of the Program; each (samples, ticks, n_neurons) int32."""

    spikes: Int32Array
    membrane: Int32Array


def trace_truenorth(program: Program, x: npt.ArrayLike) -> TrueNorthTrace:
    """Run a program of TrueNorth cores, tick by tick and core by core.

    Parameters
    ----------
    program : all cores are crossbars, without pipeline offsets, as `ProgramBuilder` makes them.
    x : (samples, ticks, *input_shape), as for `neurosim.simulate`.

    Raises
    ------
    UsageError : some core is no crossbar. InputFileError : x does not fit the program.
    """
    if (program.cores.synapse_format != SYNAPSE_FORMATS["crossbar"]).any() or program.depth_ticks:
        raise UsageError(
            "the reference of TrueNorth neurons needs a program with nothing but crossbar cores, "
            "without pipeline offsets; layers have neurosim_mapper.trace_reference."
        )
    inputs = encode_input(x, program.input_shape, program.input_code)
    n_samples, n_ticks = inputs.shape[:2]
    inputs = inputs.reshape(n_samples, n_ticks, -1)
    spikes = np.zeros((n_samples, n_ticks, program.n_neurons), np.int32)
    membrane = np.zeros_like(spikes)
    longest = max(int(t.delay.max(initial=0)) for t in (program.packets, program.input_packets))
    for sample in range(n_samples):
        cores = [_Core(program, number) for number in range(program.n_cores)]
        seed = _mix(np.asarray(program.seed % 2**32), np.asarray(sample))
        due = np.zeros((n_ticks + longest, program.n_axons), np.bool_)
        for tick in range(n_ticks):
            _send(program.input_packets, inputs[sample, tick], due[tick:])
            for core in cores:
                fired = core.tick(due[tick, core.axons], _mix(seed, np.asarray(tick)))
                spikes[sample, tick, core.neurons] = fired
                membrane[sample, tick, core.neurons] = core.V
            _send(program.packets, spikes[sample, tick], due[tick:])
    return TrueNorthTrace(spikes, membrane)


def _send(packets: PacketTable, values: npt.NDArray[np.integer], due: Bools) -> None:
    """Mark the axons that hear whoever has a value other than 0; row 0 of `due` is this tick."""
    for owner in np.flatnonzero(values):
        first, last = packets.owner_offset[owner : owner + 2]
        reached = slice(packets.delivery_offset[first], packets.delivery_offset[last])
        due[packets.delay[reached], packets.axon[reached]] = True


def _mix(state: npt.NDArray[np.integer], word: npt.NDArray[np.integer]) -> npt.NDArray[np.uint64]:
    """The 32-bit finaliser of MurmurHash3 (Appleby 2011) over `state` xor a multiple of `word`."""
    low = np.uint64(2**32 - 1)
    h = state.astype(np.uint64) ^ (word.astype(np.uint64) * np.uint64(0x9E3779B1) & low)
    h = (h ^ h >> np.uint64(16)) * np.uint64(0x85EBCA6B) & low
    h = (h ^ h >> np.uint64(13)) * np.uint64(0xC2B2AE35) & low
    return np.asarray(h ^ h >> np.uint64(16))


@dataclass
class _Core:
    """A crossbar and its neurons; parameters (n_neurons,) or (n_neurons, types) int64."""

    program: Program
    number: int
    V: Int64Array = field(init=False)

    def __post_init__(self) -> None:
        cores, rows = self.program.cores, self.program.truenorth_neurons
        self.axons = slice(*cores.axon_offset[self.number : self.number + 2])
        self.neurons = slice(*cores.neuron_offset[self.number : self.number + 2])
        sets = rows.parameters[self.neurons]
        self.p = {k: v[sets].astype(np.int64) for k, v in self.program.truenorth._asdict().items()}
        self.V = rows.v_start[self.neurons].astype(np.int64)
        self.connected = self._bits()

    def _bits(self) -> Bools:
        """(n_axons, n_neurons): bit j of an axon's words is neuron j."""
        n_axons = self.axons.stop - self.axons.start
        n_words = -(-self.V.size // 64)
        start = int(self.program.cores.dense_offset[self.number])
        words = self.program.synapses.crossbar[start : start + n_axons * n_words]
        neuron = np.arange(self.V.size, dtype=np.uint64)
        of_neuron = words.reshape(n_axons, n_words)[:, neuron // np.uint64(64)]
        return (of_neuron >> neuron % np.uint64(64) & np.uint64(1)).astype(np.bool_)

    def tick(self, active: Bools, key: npt.NDArray[np.uint64]) -> Bools:
        """Spikes of one tick, (n_neurons,); `key` is the random stream of sample and tick."""
        of_core = _mix(key, np.asarray(self.number))
        keys = _mix(of_core, np.arange(self.V.size))
        bits = self.program.chip.core.membrane_bits
        p = self.p
        U = saturate(self._leaked(self.V + self._drive(active, keys), keys), bits)
        eta = _mix(keys, np.asarray(THRESHOLD_DRAW)).astype(np.int64) & p["threshold_mask"]
        high, low = p["threshold"] + eta, p["negative_threshold"] + eta
        fires, stays = high <= U, p["saturate"] != 0
        mode, R = p["reset_mode"], p["reset_value"]
        above = np.choose(mode, [R, U - high, U])
        below = np.choose(mode, [-R, U + low, U])
        quiet = np.where(
            stays, np.maximum(U, -p["negative_threshold"]), np.where(-low > U, below, U)
        )
        self.V = saturate(np.where(fires, above, quiet), bits)
        return np.asarray(fires)

    def _drive(self, active: Bools, keys: npt.NDArray[np.uint64]) -> Int64Array:
        """Sum over active axons, (n_neurons,)."""
        total = np.zeros_like(self.V)
        for axon in np.flatnonzero(active):
            kind = int(self.program.axons.type[self.axons][axon])
            weight = _drawn(
                self.p["weight"][:, kind],
                self.p["synapse_stochastic"][:, kind],
                _mix(keys, np.asarray(axon)),
            )
            total += np.where(self.connected[axon], weight, 0)
        return total

    def _leaked(self, V: Int64Array, keys: npt.NDArray[np.uint64]) -> Int64Array:
        """Potential after the leak."""
        draw = _mix(keys, np.asarray(LEAK_DRAW))
        leak = _drawn(self.p["leak"], self.p["leak_stochastic"], draw)
        turned = V + np.sign(V) * leak
        turned = np.where(np.sign(turned) * np.sign(V) < 0, 0, turned)
        return np.where(self.p["leak_reversal"] != 0, turned, V + leak)


def _drawn(value: Int64Array, stochastic: Int64Array, draw: npt.NDArray[np.uint64]) -> Int64Array:
    """`value`; where stochastic, its sign if it reaches the upper 8 bits of a draw, else 0."""
    reached = np.abs(value) >= (draw >> np.uint64(24)).astype(np.int64)
    return np.where(stochastic != 0, np.where(reached, np.sign(value), 0), value)
