"""The networks of LIAF-Net, as Figures 5 and 6 and Tables V and VIII describe them.

Each is built in LIAF, LIF and DA-LIF form and in the forms that the paper compares with. Input is
(batch, ticks, ...), output class scores (batch, classes). LIAF, LIF and DA-LIF differ in their
neurons alone. What the paper leaves open, and what was chosen here:

- LayerNorm of the two DVS networks: over a whole image per tick with one gain per channel
  (``GroupNorm(1, channels)``). It must be frozen before a chip can have it, see `freeze_norms`.
- Conv3D and ConvLSTM take the place of the convolution of a block; the rest stays.
- RNN, GRU and LSTM have one bias per gate, as the paper counts them; the second bias of PyTorch is
  kept at 0 and not trained.
- The gates of ConvLSTM have no peepholes, its state starts at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from neurosim.errors import UsageError
from neurosim_mapper.torch.layers import MODELS
from neurosim_mapper.torch.options import PARAMETERS, NeuronOptions
from neurosim_mapper.torch.recurrent import GATED, ConvRecurrent, Recurrent
from neurosim_mapper.torch.time import TimeDistributed, TimeReduce

SPIKING: Final = ("LIAF", "LIF", "DA-LIF")


class Conv3D(nn.Module):
    """Convolution over ticks, height and width of (batch, ticks, channels, height, width)."""

    def __init__(self, channels: int, filters: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, filters, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Same padding in time, too: as many ticks as came in."""
        y: Tensor = self.conv(x.transpose(1, 2))
        return y.transpose(1, 2)


class QuestionNetwork(nn.Module):
    """Question answering (LIAF-Net Fig. 5): two embeddings, two temporal layers, one answer.

    Takes one-hot words (batch, ticks, 2 * vocabulary): the statement's word in the first half, the
    question's in the second, both ending at the last tick; all zeros is padding. An embedding is
    the product of its table with a one-hot word. LIAF has NTR mode, no activation, Non-Sharing.
    """

    def __init__(
        self, kind: str = "LIAF", vocabulary: int = 22, embedding: int = 50, cells: int = 100
    ) -> None:
        super().__init__()
        _check_kind(kind, (*SPIKING, *GATED))
        self.vocabulary = vocabulary
        self.embed_statement = nn.Linear(vocabulary, embedding, bias=False)
        self.embed_question = nn.Linear(vocabulary, embedding, bias=False)
        self.statement = _temporal(kind, embedding, cells)
        self.question = _temporal(kind, embedding, cells)
        self.answer = nn.Linear(2 * cells, vocabulary)

    def forward(self, x: Tensor) -> Tensor:
        """Scores (batch, vocabulary); their softmax is the paper's output."""
        statement = self.statement(self.embed_statement(x[..., : self.vocabulary]))
        question = self.question(self.embed_question(x[..., self.vocabulary :]))
        state = torch.cat([statement, question], dim=-1)
        return cast(Tensor, self.answer(state[:, -1]))


def _temporal(kind: str, inputs: int, cells: int) -> nn.Module:
    if kind in GATED:
        return Recurrent(kind, inputs, cells)
    options: dict[str, Any] = {"activation": "identity"} if kind == "LIAF" else {}
    if kind != "DA-LIF":
        options["trainable"] = PARAMETERS
    return cast(nn.Module, MODELS[kind]["dense"](inputs, cells, sharing="non", **options))


def mnist_dvs(kind: str = "LIAF") -> nn.Sequential:
    """MNIST-DVS, 20 ticks of 2 x 40 x 40 (Table V): 3 blocks, Dense 512 and 128, 10 classes."""
    return _vgg(kind, 40, (32, 64, 128), (2, 2, 2), (512, 128))


def cifar10_dvs(kind: str = "LIAF") -> nn.Sequential:
    """CIFAR10-DVS, 10 ticks of 2 x 128 x 128 (Table V): 5 blocks, Dense 512, 10 classes."""
    return _vgg(kind, 128, (32, 64, 128, 256, 512), (2, 2, 2, 2, 4), (512,))


def _vgg(
    kind: str, side: int, filters: Sequence[int], pools: Sequence[int], dense: Sequence[int]
) -> nn.Sequential:
    """Fig. 6: blocks, mean over time, dense blocks with dropout, 10 scores."""
    parts: list[nn.Module] = []
    channels = 2
    for count, pool in zip(filters, pools, strict=True):
        parts.append(_block(kind, channels, count, pool))
        channels, side = count, side // pool
    parts += [TimeReduce("mean"), nn.Flatten(1)]
    inputs = channels * side * side
    for units in dense:
        parts += [nn.Dropout(0.5), nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    parts += [nn.Dropout(0.5), nn.Linear(inputs, 10)]
    return nn.Sequential(*parts)


def _block(kind: str, channels: int, filters: int, pool: int) -> nn.Sequential:
    """LIAF: ConvLIAF, norm, ReLU, pool. LIF: convolution, norm, pool, neurons (section VI.B)."""
    norm = TimeDistributed(nn.GroupNorm(1, filters))
    shrink = TimeDistributed(nn.AvgPool2d(pool))
    if kind in ("LIF", "DA-LIF"):
        conv = TimeDistributed(nn.Conv2d(channels, filters, 3, padding=1))
        neurons = MODELS[kind]["direct"](filters, sharing="channel")
        return nn.Sequential(conv, norm, shrink, neurons)
    if kind == "LIAF":
        options: dict[str, Any] = {"sharing": "channel", "mode": "TR", "activation": "identity"}
        first: nn.Module = MODELS["LIAF"]["conv"](channels, filters, **options)
    else:
        first = _plain(kind, channels, filters)
    return nn.Sequential(first, norm, TimeDistributed(nn.ReLU()), shrink)


def _plain(kind: str, channels: int, filters: int) -> nn.Module:
    """The convolution of a network without neurons of its own."""
    _check_kind(kind, (*SPIKING, "Conv2D", "Conv3D", "ConvLSTM"))
    if kind == "ConvLSTM":
        return ConvRecurrent("LSTM", channels, filters)
    if kind == "Conv3D":
        return Conv3D(channels, filters)
    return TimeDistributed(nn.Conv2d(channels, filters, 3, padding=1))


def gesture(kind: str = "LIAF") -> nn.Sequential:
    """DVS128 Gesture, 60 ticks of 2 x 32 x 32 (Table VIII), 11 classes.

    ConvLIAF 64, ConvLIAF 128 + PoolingLIAF 2, ConvLIAF 128 + PoolingLIAF 2, DenseLIAF 256 and 11;
    BatchNorm, SELU, NTR, All-Sharing, threshold 0.5, alpha 0.3, beta 0, not trained. In the
    ConvLSTM form every layer of neurons is replaced, dense ones by LSTM.
    """
    _check_kind(kind, (*SPIKING, "ConvLSTM"))
    if kind == "ConvLSTM":
        return _gesture_lstm()
    layer = MODELS[kind]
    options: NeuronOptions | None = None
    if kind != "DA-LIF":
        options = NeuronOptions(threshold=0.5, alpha=0.3, trainable=False, activation="selu")
    same: dict[str, Any] = {"options": options, "batch_norm": True}
    return nn.Sequential(
        layer["conv"](2, 64, **same),
        layer["conv"](64, 128, **same),
        layer["pooling"](2, options=options),
        layer["conv"](128, 128, **same),
        layer["pooling"](2, options=options),
        nn.Flatten(2),
        layer["dense"](128 * 8 * 8, 256, **same),
        layer["dense"](256, 11, **same),
        TimeReduce("mean"),
    )


def _gesture_lstm() -> nn.Sequential:
    pool = TimeDistributed(nn.AvgPool2d(2))
    return nn.Sequential(
        ConvRecurrent("LSTM", 2, 64),
        ConvRecurrent("LSTM", 64, 128),
        pool,
        ConvRecurrent("LSTM", 128, 128),
        TimeDistributed(nn.AvgPool2d(2)),
        nn.Flatten(2),
        Recurrent("LSTM", 128 * 8 * 8, 256),
        Recurrent("LSTM", 256, 11),
        TimeReduce("mean"),
    )


def _check_kind(kind: str, known: Sequence[str]) -> None:
    if kind not in known:
        raise UsageError(f"{kind!r} is no form of this network; known: {', '.join(known)}.")


def weight_count(model: nn.Module) -> int:
    """Trained numbers of a module: weights, biases, neuron parameters; frozen ones left out."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def convolution_weights(model: nn.Module) -> int:
    """Weights and biases of all convolutions, as Tables VII and IX count them."""
    kinds = (nn.Conv2d, nn.Conv3d)
    return sum(
        p.numel() for m in model.modules() if isinstance(m, kinds) for p in m.parameters(False)
    )


ZOO: Final = {
    "bAbI": QuestionNetwork,
    "MNIST-DVS": mnist_dvs,
    "CIFAR10-DVS": cifar10_dvs,
    "DVS128 Gesture": gesture,
}
