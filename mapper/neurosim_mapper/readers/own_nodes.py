"""Node types of neurosim in the NIR layout: what plain NIR has no word for.

``LIAF`` (analog-fire neurons), ``NeurosimNeuron`` (spiking neurons with a reset that NIR cannot
say), ``BatchNorm``, ``LayerNorm``, ``PaddedConv``, ``PaddedPool2d`` and ``Recurrent``. Each carries
a ``version``; readers that do not know the type refuse the file instead of running it as something
else, and this reader refuses a newer version or an entry that it does not know. README.md lists
every entry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from neurosim.errors import UnsupportedError
from neurosim_mapper.nodes import RESETS, BatchNorm, Conv, Neuron, Node, Pool
from neurosim_mapper.norms import LayerNorm
from neurosim_mapper.readers.fields import NodeEntry
from neurosim_mapper.readers.nir_layout import Tree
from neurosim_mapper.recurrent import GATES, Recurrent

OWN_VERSION: Final = 1

# Entry of the file for each array of a Neuron.
ARRAYS: Final = {
    "threshold": "v_threshold",
    "v_reset": "v_reset",
    "alpha": "alpha",
    "beta": "beta",
    "rho": "rho",
    "rho_post": "rho_post",
    "v_start": "v_start",
    "floor": "floor",
    "alpha_syn": "alpha_syn",
}
ALWAYS: Final = ("threshold", "v_reset", "alpha", "beta")
SETTINGS: Final = (
    "activation",
    "mode",
    "clamp",
    "reset",
    "compare",
    "max_spikes",
    "silent_step",
    "table",
    "table_step",
)
MODES: Final = {"NTR": False, "TR": True}
COMPARES: Final = {">=": False, ">": True}


def neuron_tree(neuron: Neuron, always: tuple[str, ...] = ALWAYS) -> Tree:
    """Entries of a neuron; those at their default are left out, but for `always`."""
    plain = Neuron()
    tree: Tree = {}
    for name, entry in ARRAYS.items():
        value, default = getattr(neuron, name), getattr(plain, name)
        if value is not None and (name in always or not _same(value, default)):
            tree[entry] = value
    if neuron.output == "analog" or neuron.activation != plain.activation:
        tree["activation"] = neuron.activation
    if neuron.output == "analog" or neuron.threshold_related:
        tree["mode"] = "TR" if neuron.threshold_related else "NTR"
    if neuron.table is not None:
        tree |= {"table": neuron.table, "table_step": np.float64(neuron.table_step)}
    if neuron.clamp is not None:
        tree["clamp"] = np.asarray(neuron.clamp, dtype=np.float64)
    if neuron.reset != plain.reset:
        tree["reset"] = neuron.reset
    if neuron.strict:
        tree["compare"] = ">"
    if neuron.n_max != plain.n_max:
        tree["max_spikes"] = np.int64(neuron.n_max)
    if neuron.silent_step:
        tree["silent_step"] = np.int64(1)
    return tree


def _same(value: Any, default: Any) -> bool:
    return default is not None and np.shape(value) == np.shape(default) and bool(value == default)


def neuron_from(entry: NodeEntry, analog: bool, required: tuple[str, ...] = ALWAYS) -> Neuron:
    """The neuron that `neuron_tree` wrote."""
    values: dict[str, Any] = {"output": "analog" if analog else "spike"}
    for name, key in ARRAYS.items():
        if key in entry.tree or name in required:
            values[name] = entry.array(key)
    values["activation"] = _choice(entry, "activation", None, "identity")
    values["threshold_related"] = MODES[_choice(entry, "mode", tuple(MODES), "NTR")]
    values["strict"] = COMPARES[_choice(entry, "compare", tuple(COMPARES), ">=")]
    values["reset"] = _choice(entry, "reset", RESETS, "hard")
    values["n_max"] = entry.integer("max_spikes", 1)
    values["silent_step"] = bool(entry.integer("silent_step", 0))
    if "table" in entry.tree:
        step = entry.array("table_step")
        if step.size != 1:
            raise entry.fail(f"'table_step' has {step.size} entries; needed: 1.")
        values |= {"table": entry.array("table"), "table_step": float(step.reshape(()))}
    if "clamp" in entry.tree:
        limits = entry.array("clamp").ravel()
        if limits.size != 2:
            raise entry.fail(f"'clamp' has {limits.size} entries; needed: low and high.")
        values["clamp"] = (float(limits[0]), float(limits[1]))
    if analog and "activation" not in entry.tree:
        raise entry.fail("'activation' is missing.")
    return Neuron(**values)


def _choice(entry: NodeEntry, name: str, known: tuple[str, ...] | None, default: str) -> str:
    if name not in entry.tree:
        return default
    value = entry.text(name)
    if known is not None and value not in known:
        raise entry.fail(f"{name!r} is {value!r}; known: {', '.join(known)}.")
    return value


def own_tree(node: Node) -> Tree:
    """Entries of a node in our own type."""
    if isinstance(node, Neuron):
        kind = "LIAF" if node.output == "analog" else "NeurosimNeuron"
        return _typed(kind, neuron_tree(node))
    if isinstance(node, BatchNorm):
        entries: Tree = {k: getattr(node, k) for k in ("mean", "variance", "gain", "shift")}
        return _typed("BatchNorm", entries | {"eps": np.float64(node.eps)})
    if isinstance(node, LayerNorm):
        entries = {"gain": node.gain, "shift": node.shift, "groups": np.int64(node.groups)}
        return _typed("LayerNorm", entries | {"eps": np.float64(node.eps)})
    if isinstance(node, Conv):
        entries = {
            "weight": node.weight,
            "stride": np.asarray(node.stride),
            "padding": np.asarray(node.padding),
            "dilation": np.asarray(node.dilation),
            "groups": np.int64(node.groups),
        }
        return _typed("PaddedConv", entries | ({} if node.bias is None else {"bias": node.bias}))
    if isinstance(node, Pool):
        return _typed(
            "PaddedPool2d",
            {
                "pooling": node.mode,
                "kernel_size": np.asarray(node.kernel),
                "stride": np.asarray(node.stride),
                "padding": np.asarray(node.padding),
            },
        )
    if isinstance(node, Recurrent):
        arrays: Tree = {name: getattr(node, name) for name in _RECURRENT_ARRAYS}
        said = {"cell": node.kind, "activation": node.activation}
        return _typed("Recurrent", said | {k: v for k, v in arrays.items() if v is not None})
    raise AssertionError(f"no own type for {type(node).__name__}")


def _typed(kind: str, entries: Tree) -> Tree:
    return {"type": kind, "version": np.int64(OWN_VERSION)} | entries


def _read_batch_norm(entry: NodeEntry) -> Node:
    mean, variance, gain, shift = (
        entry.array(name) for name in ("mean", "variance", "gain", "shift")
    )
    return BatchNorm(mean, variance, gain, shift, _eps(entry))


def _eps(entry: NodeEntry) -> float:
    eps = entry.array("eps")
    if eps.size != 1:
        raise entry.fail(f"'eps' has {eps.size} entries; needed: 1.")
    return float(eps.reshape(()))


def _read_layer_norm(entry: NodeEntry) -> Node:
    arrays = entry.array("gain"), entry.array("shift")
    return LayerNorm(*arrays, _eps(entry), entry.integer("groups"))


def _read_padded_convolution(entry: NodeEntry) -> Node:
    weight = entry.array("weight")
    n_space = weight.ndim - 2
    bias = entry.array("bias") if "bias" in entry.tree else None
    return Conv(
        weight,
        bias,
        entry.integers("stride", n_space),
        _pairs(entry, n_space),
        entry.integers("dilation", n_space),
        entry.integer("groups"),
    )


def _read_padded_pool(entry: NodeEntry) -> Node:
    mode = _choice(entry, "pooling", ("sum", "avg", "max"), "")
    kernel = entry.integers("kernel_size")
    if len(kernel) not in (1, 2):
        raise entry.fail(f"'kernel_size' has {len(kernel)} entries; needed: 1 or 2.")
    stride, padding = entry.integers("stride", len(kernel)), _pairs(entry, len(kernel))
    return Pool(mode, kernel, stride, padding)  # type: ignore[arg-type]


def _pairs(entry: NodeEntry, n_space: int) -> tuple[tuple[int, int], ...]:
    flat = entry.integers("padding", 2 * n_space)
    return tuple(zip(flat[::2], flat[1::2], strict=True))


_RECURRENT_ARRAYS: Final = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _read_recurrent(entry: NodeEntry) -> Node:
    kind = _choice(entry, "cell", tuple(GATES), "")
    activation = _choice(entry, "activation", ("tanh", "relu"), "tanh")
    arrays = {name: entry.array(name) for name in _RECURRENT_ARRAYS if name in entry.tree}
    for name in _RECURRENT_ARRAYS[:2]:
        if name not in arrays:
            raise entry.fail(f"{name!r} is missing.")
    return Recurrent(kind, activation=activation, **arrays)  # type: ignore[arg-type]


_NEURON_ENTRIES: Final = frozenset({*ARRAYS.values(), *SETTINGS})
_READERS: Final[dict[str, tuple[frozenset[str], Callable[[NodeEntry], Node]]]] = {
    "LIAF": (_NEURON_ENTRIES, lambda entry: neuron_from(entry, analog=True)),
    "NeurosimNeuron": (_NEURON_ENTRIES, lambda entry: neuron_from(entry, analog=False)),
    "BatchNorm": (frozenset({"mean", "variance", "gain", "shift", "eps"}), _read_batch_norm),
    "LayerNorm": (frozenset({"gain", "shift", "eps", "groups"}), _read_layer_norm),
    "PaddedConv": (
        frozenset({"weight", "bias", "stride", "padding", "dilation", "groups"}),
        _read_padded_convolution,
    ),
    "PaddedPool2d": (
        frozenset({"pooling", "kernel_size", "stride", "padding"}),
        _read_padded_pool,
    ),
    "Recurrent": (frozenset({"cell", "activation", *_RECURRENT_ARRAYS}), _read_recurrent),
}
OWN_KINDS: Final = frozenset(_READERS)


def read_own(entry: NodeEntry) -> Node:
    """A node of one of our own types.

    Raises
    ------
    UnsupportedError : a newer version, or an entry that this version does not know: whatever it
        means, running the node without it would be something else.
    InputFileError : entries are missing or wrong.
    """
    known, reader = _READERS[entry.kind]
    version = entry.integer("version")
    if version != OWN_VERSION:
        raise UnsupportedError(
            f"{entry.label}: version {version} of this node type is not known; "
            f"this neurosim reads version {OWN_VERSION}. Install a newer one."
        )
    strange = sorted(set(entry.tree) - known - {"type", "version", "metadata"})
    if strange:
        raise UnsupportedError(
            f"{entry.label}: the entry {strange[0]!r} is not known in version {OWN_VERSION}."
        )
    return reader(entry)
