"""Sections of a description without a state of their own: what each kind of layer becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from neurosim_mapper.nodes import BatchNorm, Conv, Delay, Flatten, Linear, Node, Pool, Scale
from neurosim_mapper.norms import LayerNorm
from neurosim_mapper.readers.description_fields import Section
from neurosim_mapper.readers.gated import KEYS as GATED_KEYS
from neurosim_mapper.readers.gated import read_gated
from neurosim_mapper.recurrent import GATES

COMMON: Final = ("name", "kind", "inputs")


def read_linear(section: Section) -> Linear:
    """A matrix and a bias."""
    if section.has("weight") == section.has("weight_in_out"):
        raise section.fail(None, "needs weight (out, in) or weight_in_out (in, out), one of them.")
    turned = section.has("weight_in_out")
    weight = section.tensor("weight_in_out").T if turned else section.tensor("weight")
    return Linear(weight, section.tensor("bias") if section.has("bias") else None)


def _conv(section: Section) -> Node:
    n = 1 if section.data["kind"] == "conv1d" else 2
    weight = section.tensor("weight")
    if weight.ndim != n + 2:
        raise section.fail("weight", f"has shape {weight.shape}; needed: {n + 2} axes.")
    return Conv(
        weight,
        section.tensor("bias") if section.has("bias") else None,
        section.integers("stride", n, 1),
        tuple((p, p) for p in section.integers("padding", n, 0)),
        section.integers("dilation", n, 1),
        section.integers("groups", 1, 1)[0],
    )


def _pool(section: Section) -> Node:
    kind = section.text("kind")
    n_space = 1 if kind.endswith("1d") else 2
    kernel = section.integers("kernel", n_space)
    stride = section.integers("stride", n_space) if section.has("stride") else kernel
    padding = tuple((p, p) for p in section.integers("padding", n_space, 0))
    mode: Any = kind.partition("_")[0]
    return Pool(mode, kernel, stride, padding)


def _flatten(section: Section) -> Node:
    return Flatten(section.integers("start", 1, 0)[0], section.integers("end", 1, -1)[0])


def _batch_norm(section: Section) -> Node:
    mean = section.tensor("mean")
    gain = section.tensor("weight") if section.has("weight") else np.ones_like(mean)
    shift = section.tensor("bias") if section.has("bias") else np.zeros_like(mean)
    eps = section.scalar("eps", 1e-5)
    return BatchNorm(mean, section.tensor("variance"), gain, shift, eps)


def _layer_norm(section: Section) -> Node:
    gain, eps = section.tensor("weight"), section.scalar("eps", 1e-5)
    shift = section.tensor("bias") if section.has("bias") else np.zeros_like(gain)
    return LayerNorm(gain, shift, eps, section.integers("groups", 1, 1)[0])


def _scale(section: Section) -> Node:
    return Scale(section.number("scale"))


def _delay(section: Section) -> Node:
    return Delay(section.integers("ticks", 1)[0])


_CONV_KEYS: Final = (*COMMON, "weight", "bias", "stride", "padding", "dilation", "groups")
_POOL_KEYS: Final = (*COMMON, "kernel", "stride", "padding")
# Kind: the keys that it knows, and its reader.
PLAIN_KINDS: Final[dict[str, tuple[tuple[str, ...], Callable[[Section], Node]]]] = {
    "linear": ((*COMMON, "weight", "weight_in_out", "bias"), read_linear),
    "conv1d": (_CONV_KEYS, _conv),
    "conv2d": (_CONV_KEYS, _conv),
    **{
        f"{mode}_pool{axes}": (_POOL_KEYS, _pool)
        for mode in ("sum", "avg", "max")
        for axes in ("", "1d")
    },
    "flatten": ((*COMMON, "start", "end"), _flatten),
    "batch_norm": ((*COMMON, "weight", "bias", "mean", "variance", "eps"), _batch_norm),
    "layer_norm": ((*COMMON, "weight", "bias", "eps", "groups"), _layer_norm),
    "scale": ((*COMMON, "scale"), _scale),
    "delay": ((*COMMON, "ticks"), _delay),
    **dict.fromkeys(GATES, ((*COMMON, *GATED_KEYS, "activation"), read_gated)),
}
