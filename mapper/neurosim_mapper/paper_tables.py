"""Tables IV, VII and IX of LIAF-Net: the printed entries beside what the formulas give.

The paper prints two digits, sometimes cut (6.879e9 as 6.8e9), sometimes rounded (2.9898e6 as
3.0e6). An entry is

- ``cut``: equal to the computed value cut to two digits,
- ``rounded``: equal to it rounded to two digits, but not cut,
- ``deviates``: neither. `Entry.note` says what is known about it; nothing is tuned to fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neurosim.errors import UsageError
from neurosim_mapper.complexity import (
    CIFAR10_DVS_LAYERS,
    DENSE_LAYERS,
    GESTURE_LAYERS,
    Cost,
    DenseShape,
    conv_network,
    question_network_weights,
)

Match = Literal["cut", "rounded", "deviates"]
BABI_TICKS = 66

_PER_CELL = "Table I gives 5100; 4 non-shared neuron parameters per cell make 5500"
_MIXED = "printed rounded, though the ADDs beside it are printed cut"
_OPS_VII = (
    "does not follow from Table II with the layers of Table V, although the weights and the "
    "operations of ConvLSTM do"
)


@dataclass(frozen=True)
class Entry:
    """One number of a table.

    Attributes
    ----------
    row, column : str
        As the paper names them.
    printed : float
        The paper's number, two digits.
    computed : int
        From the formulas.
    note : str
        What is known about a deviation, or an assumption behind the computed value.
    """

    row: str
    column: str
    printed: float
    computed: int
    note: str = ""

    @property
    def match(self) -> Match:
        """How printed and computed agree."""
        two_digits = round(self.printed / 10 ** (_exponent(self.printed) - 1))
        power = _exponent(self.computed)
        cut = self.computed // 10 ** max(power - 1, 0)
        if power == _exponent(self.printed) and cut == two_digits:
            return "cut"
        if float(f"{self.computed:.1e}") == float(f"{self.printed:.1e}"):
            return "rounded"
        return "deviates"


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def table_iv() -> tuple[Entry, ...]:
    """bAbI: temporal layers of K = 50 inputs and L = 100 cells.

    The operations are those of one temporal layer over 66 steps. The paper does not state the
    number of steps; 66 is the only whole number that gives the printed MULs of DenseLIF.
    """
    printed = {
        "DenseLIAF": (3.4e5, 3.3e5, 5.5e3, 1.7e4),
        "DenseLIF": (3.4e5, 6.6e3, 5.5e3, 1.7e4),
        "RNN": (9.9e5, 9.9e5, 1.5e4, 3.6e4),
        "GRU": (2.9e6, 3.0e6, 4.5e4, 9.7e4),
        "LSTM": (3.9e6, 4.0e6, 6.0e4, 1.2e5),
    }
    entries: list[Entry] = []
    for kind, (adds, muls, weights, network) in printed.items():
        cost = DENSE_LAYERS[kind](DenseShape(50, 100)).over(BABI_TICKS)
        layer, whole = question_network_weights(kind)
        entries += [
            Entry(kind, "ADDs (layer)", adds, cost.adds),
            Entry(kind, "MULs (layer)", muls, cost.muls, _MIXED if kind in ("GRU", "LSTM") else ""),
            Entry(
                kind, "Weights (layer)", weights, layer, _PER_CELL if layer != cost.weights else ""
            ),
            Entry(kind, "Weights (network)", network, whole),
        ]
    return tuple(entries)


def table_vii() -> tuple[Entry, ...]:
    """CIFAR10-DVS: the five convolutional layers, T = 10.

    The paper says that the weights of ConvLIAF and ConvLIF include their neuron parameters; four
    per channel would add 3968 and change no printed digit.
    """
    printed = {
        "Conv2D": (3.3e9, 3.8e9, 1.5e6),
        "Conv3D": (9.5e9, 1.0e10, 4.7e6),
        "ConvLSTM": (4.2e10, 4.3e10, 1.8e7),
        "ConvLIAF": (3.3e9, 3.8e9, 1.5e6),
        "ConvLIF": (2.1e8, 3.8e9, 1.5e6),
    }
    entries: list[Entry] = []
    for kind, (muls, adds, weights) in printed.items():
        cost = conv_network(kind, CIFAR10_DVS_LAYERS)
        entries += [
            _noted(Entry(kind, "MULs", muls, cost.muls), _OPS_VII),
            _noted(Entry(kind, "ADDs", adds, cost.adds), _OPS_VII),
            Entry(kind, "Weights", weights, cost.weights),
        ]
    return tuple(entries)


def table_ix() -> tuple[Entry, ...]:
    """DVS128 Gesture: the three convolutional layers, T = 60, same padding."""
    printed = {
        "ConvLIAF": (6.8e9, 6.8e9, 2.2e5),
        "ConvLIF": (6.8e9, 1.3e7, 2.2e5),
        "ConvLSTM": (8.1e10, 8.1e10, 2.2e6),
    }
    neurons = sum(layer.outputs // layer.ticks for layer in GESTURE_LAYERS)
    entries: list[Entry] = []
    for kind, (adds, muls, weights) in printed.items():
        cost = conv_network(kind, GESTURE_LAYERS)
        entries += [
            Entry(kind, "Neurons", 2.3e5, neurons, "printed rounded, the rest of the table cut"),
            Entry(kind, "ADDs", adds, cost.adds),
            Entry(kind, "MULs", muls, cost.muls),
            Entry(kind, "Weights", weights, cost.weights),
        ]
    return tuple(entries)


def _noted(entry: Entry, note: str) -> Entry:
    if entry.match != "deviates":
        return entry
    return Entry(entry.row, entry.column, entry.printed, entry.computed, note)


TABLES = {"IV": table_iv, "VII": table_vii, "IX": table_ix}


@dataclass(frozen=True)
class Saving:
    """A percentage from the text: how much less LIAF takes than another layer.

    Attributes
    ----------
    what : str
        E.g. ``"weights against GRU (section VI.A)"``.
    printed_percent : float
    computed_percent : float
        From exact counts.
    """

    what: str
    printed_percent: float
    computed_percent: float

    @property
    def agrees(self) -> bool:
        """Whether the printed figure is the computed one, cut or rounded to its digits."""
        digits = 1 if self.printed_percent != int(self.printed_percent) else 0
        cut = int(self.computed_percent * 10**digits) / 10**digits
        return self.printed_percent in (cut, round(self.computed_percent, digits))


def savings() -> tuple[Saving, ...]:
    """Every percentage of sections VI.A to VI.C that compares LIAF with another layer."""
    shape = DenseShape(50, 100)
    liaf = DENSE_LAYERS["DenseLIAF"](shape)
    liaf_weights = question_network_weights("DenseLIAF")[0]
    rows: list[Saving] = []
    for kind, printed in (("RNN", 63.5), ("LSTM", 90.8), ("GRU", 87.7)):
        weights = question_network_weights(kind)[0]
        rows.append(
            Saving(f"Table IV: weights against {kind}", printed, _less(liaf_weights, weights))
        )
    for kind, printed in (("LSTM", 91.5), ("GRU", 88.8)):
        other = DENSE_LAYERS[kind](shape)
        rows.append(Saving(f"Table IV: MULs against {kind}", printed, _less(liaf.muls, other.muls)))
    for table, layers, kind, operations, weight in (
        ("VII", CIFAR10_DVS_LAYERS, "Conv3D", 64, 68),
        ("VII", CIFAR10_DVS_LAYERS, "ConvLSTM", 92, 92),
        ("IX", GESTURE_LAYERS, "ConvLSTM", 91.6, 90.0),
    ):
        own, other = conv_network("ConvLIAF", layers), conv_network(kind, layers)
        name = f"Table {table}:"
        rows += [
            Saving(f"{name} MULs against {kind}", operations, _less(own.muls, other.muls)),
            Saving(f"{name} weights against {kind}", weight, _less(own.weights, other.weights)),
        ]
    return tuple(rows)


def _less(own: int, other: int) -> float:
    return 100.0 * (1.0 - own / other)


def payload_overhead(spike_bits: int = 32, payload_bits: int = 8) -> tuple[float, float]:
    """Section V's overhead of an analog value: percent of the new packet, of the spike packet.

    The paper says 20 % for 8 bits on 32: that is the share of the new packet; 25 % are added.

    Raises
    ------
    UsageError
        If a packet has no bits.
    """
    if spike_bits < 1 or payload_bits < 0:
        raise UsageError("packet: at least one bit and a payload of 0 or more bits are needed.")
    new_bits = spike_bits + payload_bits
    return 100.0 * payload_bits / new_bits, 100.0 * payload_bits / spike_bits


__all__ = [
    "BABI_TICKS",
    "TABLES",
    "Cost",
    "Entry",
    "Saving",
    "payload_overhead",
    "savings",
    "table_iv",
    "table_ix",
    "table_vii",
]
