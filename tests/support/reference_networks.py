"""Networks whose core counts are compared: sizes as in the field, weights at random."""

from __future__ import annotations

import numpy as np

from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.connections import SparseConnection
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    Conv,
    Flatten,
    Input,
    Linear,
    Node,
    Output,
    Pool,
    liaf,
    lif,
)
from neurosim_mapper.quantized import (
    INPUT,
    Projection,
    QuantizedLayer,
    QuantizedNetwork,
    SomaModes,
)

_RNG = np.random.default_rng(0)


def _weights(*shape: int) -> np.ndarray:
    return _RNG.integers(-20, 21, size=shape).astype(float)


def conv(c_in: int, c_out: int, kernel: int, stride: int = 1, padding: int = 0) -> Conv:
    """A convolution with random integer weights."""
    pads = ((padding, padding), (padding, padding))
    return Conv(_weights(c_out, c_in, kernel, kernel), None, (stride, stride), pads)


def spiking() -> Node:
    """A LIF neuron without a leak."""
    return lif(10.0, 1.0)


def mlp(*sizes: int) -> Network:
    """Dense spiking layers."""
    nodes: list[Node] = [Input((sizes[0],))]
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):  # noqa: RUF007
        nodes += [Linear(_weights(n_out, n_in)), spiking()]
    return Network.sequential(nodes)


def lenet5(pool_neurons: bool) -> Network:
    """LeNet-5 on 28 x 28: 6c5 (padding 2), pool, 16c5, pool, 120, 84, 10."""
    pool: list[Node] = [Pool("sum", (2, 2), (2, 2))] + [lif(1.0, 1.0)] * pool_neurons
    nodes: list[Node] = [Input((1, 28, 28)), conv(1, 6, 5, 1, 2), spiking(), *pool]
    nodes += [conv(6, 16, 5), spiking(), *pool, Flatten()]
    for n_in, n_out in ((400, 120), (120, 84), (84, 10)):
        nodes += [Linear(_weights(n_out, n_in)), spiking()]
    return Network.sequential(nodes)


def cnn() -> Network:
    """16c3s2 - 32c3s2 - fc10 on 28 x 28."""
    nodes: list[Node] = [Input((1, 28, 28)), conv(1, 16, 3, 2, 1), spiking()]
    nodes += [conv(16, 32, 3, 2, 1), spiking(), Flatten(), Linear(_weights(10, 1568)), spiking()]
    return Network.sequential(nodes)


def dvs(reduce: str) -> Network:
    """32 x 32 x 2: 16c - 32c - 64c - fc128 - 11; `reduce` is stride, pool or pool+neurons."""
    stride = 2 if reduce == "stride" else 1
    pool: list[Node] = [] if reduce == "stride" else [Pool("sum", (2, 2), (2, 2))]
    pool += [lif(1.0, 1.0)] * (reduce == "pool+neurons")
    nodes: list[Node] = [Input((2, 32, 32)), conv(2, 16, 3, 1, 1), spiking(), *pool]
    nodes += [conv(16, 32, 3, stride, 1), spiking(), *pool]
    nodes += [conv(32, 64, 3, stride, 1), spiking(), *pool, Flatten()]
    flat = 64 * (8 * 8 if reduce == "stride" else 4 * 4)
    nodes += [Linear(_weights(128, flat)), spiking(), Linear(_weights(11, 128)), spiking()]
    return Network.sequential(nodes)


def vgg16() -> Network:
    """VGG-16 for CIFAR: 13 convolutions, max pools of spikes, one dense layer; 14.7 M weights."""
    nodes: list[Node] = [Input((3, 32, 32))]
    channels = 3
    for block in ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3):
        for count in block:
            nodes += [conv(channels, count, 3, 1, 1), spiking()]
            channels = count
        nodes.append(Pool("max", (2, 2), (2, 2)))
    nodes += [Flatten(), Linear(_weights(10, 512)), spiking()]
    return Network.sequential(nodes)


def resnet18() -> Network:
    """ResNet-18 for CIFAR: shortcuts add to the input of a block's second neurons."""
    nodes: dict[str, Node] = {"input": Input((3, 32, 32))}
    edges: list[tuple[str, str]] = []

    def add(name: str, node: Node, *sources: str) -> str:
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    here = add("n0", spiking(), add("c0", conv(3, 64, 3, 1, 1), "input"))
    channels = 64
    for i, (count, stride) in enumerate(
        [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]
    ):
        first = add(f"c{i}a", conv(channels, count, 3, stride, 1), here)
        middle = add(f"n{i}a", spiking(), first)
        second = add(f"c{i}b", conv(count, count, 3, 1, 1), middle)
        skip = here
        if stride > 1:
            skip = add(f"s{i}", conv(channels, count, 1, stride), here)
        here = add(f"n{i}b", spiking(), second, skip)
        channels = count
    pooled = add("flat", Flatten(), add("pool", Pool("avg", (4, 4), (4, 4)), here))
    add("output", Output(), add("out", spiking(), add("fc", Linear(_weights(10, 512)), pooled)))
    return Network(nodes, tuple(edges))


def liaf_net(name: str) -> Network:
    """The networks of LIAF-Net (Tables IV, V, VIII) without LayerNorm and dropout.

    Frozen normalisation folds into the convolutions and needs no core. bAbI is its two temporal
    layers side by side: one layer of 200 cells behind an embedding of 2 x 50.
    """
    if name == "babi":
        nodes: list[Node] = [Input((44,)), Linear(_weights(100, 44)), liaf(1.0, 0.5, "identity")]
        nodes += [Linear(_weights(200, 100)), liaf(1.0, 0.5, "identity")]
        return Network.sequential([*nodes, Linear(_weights(22, 200)), liaf(1.0, 0.0, "identity")])
    if name == "gesture":
        plan, dense = [(64, 1), (128, 2), (128, 2)], [256, 11]
        side = 32
    elif name == "mnist-dvs":
        plan, dense, side = [(32, 2), (64, 2), (128, 2)], [512, 128, 10], 40
    else:
        plan = [(32, 2), (64, 2), (128, 2), (256, 2), (512, 4)]
        dense, side = [512, 10], 128
    nodes = [Input((2, side, side))]
    channels = 2
    for count, pool in plan:
        nodes += [conv(channels, count, 3, 1, 1), liaf(1.0, 0.5)]
        if pool > 1:
            nodes.append(Pool("avg", (pool, pool), (pool, pool)))
            if name == "gesture":
                nodes.append(liaf(1.0, 0.3))  # PoolingLIAF: neurons behind the pool
        channels, side = count, side // pool
    nodes.append(Flatten())
    n_in = channels * side * side
    for n_out in dense:
        nodes += [Linear(_weights(n_out, n_in)), liaf(1.0, 0.5)]
        n_in = n_out
    return Network.sequential(nodes)


def local_sheet(side: int, fan_in: int = 16, seed: int = 0) -> QuantizedNetwork:
    """A recurrent sheet of side x side blocks of 256 neurons, wired at random to near neurons.

    Each neuron hears `fan_in` random neurons: 192 of its own block and 16 of each neighbour.
    """
    rng = np.random.default_rng(seed)
    n = side * side * 256
    block = np.arange(n) >> 8
    y, x = np.divmod(block, side)
    draw = rng.integers(0, 256, size=(n, fan_in))
    own = draw < 192
    direction = np.maximum(draw - 192, 0) // 16
    dx = np.where(own, 0, np.array([1, -1, 0, 0])[direction])
    dy = np.where(own, 0, np.array([0, 0, 1, -1])[direction])
    there = (y[:, None] + dy) % side * side + (x[:, None] + dx) % side
    source = (there << 8) + np.where(own, draw, (draw - 192) % 16)
    weight = rng.integers(1, 20, size=source.size)
    loop = SparseConnection(np.arange(n + 1) * fan_in, source.reshape(-1), weight, n)
    feed = SparseConnection(
        np.minimum(np.arange(n + 1), 64), np.arange(64), np.full(64, 30, np.int64), 64
    )
    read = SparseConnection(
        np.arange(11) * 20, np.arange(200) * (n // 200), np.full(200, 5, np.int64), n
    )
    layers = (
        _sheet_layer("sheet", n, (Projection(INPUT, feed), Projection("sheet", loop, 1))),
        _sheet_layer("out", 10, (Projection("sheet", read),)),
    )
    return QuantizedNetwork(layers, "out", (64,), InputCode("spike"), 24)


def _sheet_layer(name: str, n: int, projections: tuple[Projection, ...]) -> QuantizedLayer:
    values = dict.fromkeys(LiafColumns._fields, 0)
    values |= {"theta": 50, "alpha_num": 900, "floor": -(1 << 23), "act_mult": 1}
    columns = LiafColumns(**{k: np.full(n, v, np.int32) for k, v in values.items()})
    modes = SomaModes("spike", alpha_shift=10)
    return QuantizedLayer(name, (n,), projections, columns, modes, np.ones(n))


def tianjic_array(wide: int, high: int) -> Chip:
    """An array of Tianjic chips."""
    data = load_chip("tianjic").to_dict()
    data["array"] = {"wide": wide, "high": high}
    return Chip.model_validate(data)
