"""How many multiplications, additions and weights a layer takes: the formulas of LIAF-Net.

Tables I and II of the paper (Wu et al., "LIAF-Net: Leaky Integrate and Analog Fire Network for
Lightweight and Efficient Spatiotemporal Information Processing") as pure functions, and the
networks of its Tables IV, VII and IX built from them.

Symbols of Table I (per time step): K inputs, L cells. Of Table II (all T steps): R = T H W L
outputs, Q = I J K with a kernel of I x J over K channels, U the depth of a 3-D kernel. Table
look-ups, selections and comparisons count nothing, bias counts as a weight; sparsity is left out.
A spiking layer multiplies only in its leak, because its inputs are 0 or 1.

What the chip really performs on given data is counted elsewhere; these are the formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from neurosim.errors import UsageError

_Shape = TypeVar("_Shape")


@dataclass(frozen=True)
class Cost:
    """Operations and weights.

    Attributes
    ----------
    muls, adds, weights : int
        Multiplications, additions, weights with bias.
    """

    muls: int
    adds: int
    weights: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.muls + other.muls, self.adds + other.adds, self.weights + other.weights)

    def over(self, ticks: int) -> Cost:
        """The same layer run for `ticks` steps: operations multiply, weights do not."""
        return Cost(self.muls * ticks, self.adds * ticks, self.weights)


@dataclass(frozen=True)
class DenseShape:
    """K = `inputs`, L = `cells` of Table I."""

    inputs: int
    cells: int

    def __post_init__(self) -> None:
        _positive("dense layer", self.inputs, self.cells)


@dataclass(frozen=True)
class ConvShape:
    """Shape of a convolutional layer in Table II.

    Attributes
    ----------
    ticks, height, width, channels : int
        T, H, W, L: the output.
    kernel : (int, int)
        I, J.
    inputs : int
        K, channels of the input.
    depth : int
        U, depth of a 3-D kernel (used by Conv3D only).
    """

    ticks: int
    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    inputs: int
    depth: int = 3

    def __post_init__(self) -> None:
        _positive(
            "convolutional layer",
            self.ticks,
            self.height,
            self.width,
            self.channels,
            *self.kernel,
            self.inputs,
            self.depth,
        )

    @property
    def fan_in(self) -> int:
        """Q = I J K."""
        return self.kernel[0] * self.kernel[1] * self.inputs

    @property
    def outputs(self) -> int:
        """R = T H W L."""
        return self.ticks * self.height * self.width * self.channels


def _positive(what: str, *sizes: int) -> None:
    if min(sizes) < 1:
        raise UsageError(f"{what}: sizes {sizes}, each must be at least 1.")


def dense_liaf(shape: DenseShape) -> Cost:
    """DenseLIAF, Table I, per step."""
    k, n = shape.inputs, shape.cells
    return Cost(n * (k + 1), n * (k + 2), n * (k + 1))


def dense_lif(shape: DenseShape) -> Cost:
    """DenseLIF, Table I, per step."""
    k, n = shape.inputs, shape.cells
    return Cost(n, n * (k + 2), n * (k + 1))


def rnn(shape: DenseShape) -> Cost:
    """Elman network without its output layer, Table I, per step."""
    k, n = shape.inputs, shape.cells
    return Cost(n * (n + k), n * (n + k), n * (n + k + 1))


def gru(shape: DenseShape) -> Cost:
    """Gated recurrent unit, Table I, per step."""
    k, n = shape.inputs, shape.cells
    return Cost(3 * n * (n + k + 1), n * (3 * (n + k) + 1), 3 * n * (n + k + 1))


def lstm(shape: DenseShape) -> Cost:
    """Long short-term memory, Table I, per step."""
    k, n = shape.inputs, shape.cells
    return Cost(n * (4 * (n + k) + 3), n * (4 * (n + k) + 1), 4 * n * (n + k + 1))


def conv_liaf(shape: ConvShape) -> Cost:
    """ConvLIAF, Table II, all steps."""
    q, r = shape.fan_in, shape.outputs
    return Cost((q + 1) * r, (q + 2) * r, (q + 1) * shape.channels)


def conv_lif(shape: ConvShape) -> Cost:
    """ConvLIF, Table II, all steps."""
    q, r = shape.fan_in, shape.outputs
    return Cost(r, (q + 2) * r, (q + 1) * shape.channels)


def conv2d(shape: ConvShape) -> Cost:
    """Time-distributed Conv2D, Table II, all steps."""
    q, r = shape.fan_in, shape.outputs
    return Cost(q * r, q * r, (q + 1) * shape.channels)


def conv3d(shape: ConvShape) -> Cost:
    """Conv3D, Table II, all steps."""
    uq, r = shape.depth * shape.fan_in, shape.outputs
    return Cost(uq * r, uq * r, (uq + 1) * shape.channels)


def conv_lstm(shape: ConvShape) -> Cost:
    """ConvLSTM, Table II, all steps."""
    own = shape.kernel[0] * shape.kernel[1] * shape.channels
    q, r = shape.fan_in, shape.outputs
    return Cost(
        (4 * (q + own) + 3) * r, (4 * (q + own) + 1) * r, (q + own + 1) * 4 * shape.channels
    )


DENSE_LAYERS: dict[str, Callable[[DenseShape], Cost]] = {
    "DenseLIAF": dense_liaf,
    "DenseLIF": dense_lif,
    "RNN": rnn,
    "GRU": gru,
    "LSTM": lstm,
}

CONV_LAYERS: dict[str, Callable[[ConvShape], Cost]] = {
    "ConvLIAF": conv_liaf,
    "ConvLIF": conv_lif,
    "Conv2D": conv2d,
    "Conv3D": conv3d,
    "ConvLSTM": conv_lstm,
}

FORMULAS: dict[str, tuple[str, str, str]] = {
    "DenseLIAF": ("L(K+1)", "L(K+2)", "L(K+1)"),
    "DenseLIF": ("L", "L(K+2)", "L(K+1)"),
    "RNN": ("L(L+K)", "L(L+K)", "L(L+K+1)"),
    "GRU": ("3L(L+K+1)", "L(3(L+K)+1)", "3L(L+K+1)"),
    "LSTM": ("L(4(L+K)+3)", "L(4(L+K)+1)", "4L(L+K+1)"),
    "ConvLIAF": ("(Q+1)R", "(Q+2)R", "(Q+1)L"),
    "ConvLIF": ("R", "(Q+2)R", "(Q+1)L"),
    "Conv2D": ("QR", "QR", "(Q+1)L"),
    "Conv3D": ("UQR", "UQR", "(UQ+1)L"),
    "ConvLSTM": ("(4(Q+IJL)+3)R", "(4(Q+IJL)+1)R", "(Q+IJL+1)4L"),
}

NEURON_PARAMETERS = 4  # threshold, reset, alpha, beta


def question_network_weights(kind: str, vocabulary: int = 22) -> tuple[int, int]:
    """Weights of the temporal layer and of the whole network of LIAF-Net Fig. 5.

    Statement and question each pass an Embedding(V, 50) and a temporal layer of 100 cells; a
    Dense(200, V) answers. LIAF and LIF cells have four parameters of their own (Non-Sharing).

    Parameters
    ----------
    kind : str
        A key of `DENSE_LAYERS`.
    vocabulary : int
        V; 22 fits Table IV and is the vocabulary of task 1 with padding.
    """
    shape = DenseShape(50, 100)
    layer = _layer(DENSE_LAYERS, kind)(shape).weights
    if kind in ("DenseLIAF", "DenseLIF"):
        layer += NEURON_PARAMETERS * shape.cells
    embedding, dense = vocabulary * shape.inputs, (2 * shape.cells + 1) * vocabulary
    return layer, 2 * embedding + 2 * layer + dense


def _layer(family: dict[str, Callable[[_Shape], Cost]], kind: str) -> Callable[[_Shape], Cost]:
    if kind not in family:
        raise UsageError(f"layer: {kind!r} is unknown. Known are {', '.join(family)}.")
    return family[kind]


CIFAR10_DVS_LAYERS = tuple(
    ConvShape(10, side, side, channels, (3, 3), inputs)
    for side, inputs, channels in (
        (128, 2, 32),
        (64, 32, 64),
        (32, 64, 128),
        (16, 128, 256),
        (8, 256, 512),
    )
)
"""Table V, CIFAR10-DVS: 128 x 128 x 2, T = 10, same padding, pooling 2, 2, 2, 2, 4."""

MNIST_DVS_LAYERS = tuple(
    ConvShape(20, side, side, channels, (3, 3), inputs)
    for side, inputs, channels in ((40, 2, 32), (20, 32, 64), (10, 64, 128))
)
"""Table V, MNIST-DVS: 40 x 40 x 2, T = 20, same padding, pooling 2."""

GESTURE_LAYERS = tuple(
    ConvShape(60, side, side, channels, (3, 3), inputs)
    for side, inputs, channels in ((32, 2, 64), (32, 64, 128), (16, 128, 128))
)
"""Table VIII, DVS128 Gesture: 32 x 32 x 2, T = 60, same padding, pooling after layers 2 and 3."""

CONV_NETWORKS = {
    "CIFAR10-DVS": CIFAR10_DVS_LAYERS,
    "MNIST-DVS": MNIST_DVS_LAYERS,
    "DVS128 Gesture": GESTURE_LAYERS,
}


def conv_network(kind: str, layers: tuple[ConvShape, ...]) -> Cost:
    """Sum over the convolutional layers of a network, as Tables VII and IX count.

    Parameters
    ----------
    kind : str
        A key of `CONV_LAYERS`.
    layers : tuple of ConvShape
        E.g. a value of `CONV_NETWORKS`.
    """
    formula = _layer(CONV_LAYERS, kind)
    return sum((formula(layer) for layer in layers), Cost(0, 0, 0))
