"""A checkpoint of bare numbers plus a small YAML file that says what they mean.

Enters: the YAML file, and the ``.pt``, ``.safetensors`` or ``.npz`` file that it names. Leaves: a
`Network`. README.md lists every key. Neurons take what they do not say from the reading that the
file names; what is neither said nor in the reading is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from neurosim.errors import InputFileError, UsageError
from neurosim.files.strict_yaml import parse_yaml, read_text_file
from neurosim_mapper.joining import placement
from neurosim_mapper.network import Edge, Network
from neurosim_mapper.nodes import (
    ACTIVATIONS,
    Conv,
    FloatArray,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    Shape,
)
from neurosim_mapper.readers.description_fields import BLANK, Section
from neurosim_mapper.readers.description_layers import COMMON, PLAIN_KINDS, read_linear
from neurosim_mapper.readers.equation import Equation, several_synapses, without_first_bias
from neurosim_mapper.readers.readings import (
    CHOICES,
    KNOWN,
    READINGS,
    ROCKPOOL_DT,
    Reading,
    override,
    settled_timing,
)
from neurosim_mapper.readers.state_dict import read_state_dict

TOP: Final = ("neurosim_network", "checkpoint", "reading", "input", "readout", "layers")
FORMAT: Final = 1
NEURON: Final = (
    *COMMON,
    "decay",
    "gain",
    "constant",
    "threshold",
    "compare",
    "reset",
    "reset_timing",
    "reset_value",
    "subtract",
    "reset_add_all",
    "v_start",
    "v_min",
    "max_spikes",
    "output_factor",
    "syn_decay",
    "syn_update",
    "synapses",
    "output",
    "activation",
    "activation_of",
    "clamp",
    "table",
    "table_step",
    "recurrent",
    "dt",
)
KINDS: Final[dict[str, tuple[str, ...]]] = {
    **{kind: keys for kind, (keys, _) in PLAIN_KINDS.items()},
    "add": COMMON,
    "concat": COMMON,
    "neuron": NEURON,
    "recurrent_linear": (*COMMON, "weight", "bias"),
}
GAINS: Final = {"unit": lambda a: np.ones_like(a), "one_minus_decay": lambda a: 1 - a}


def looks_like_description(path: Path) -> bool:
    """Whether a file is a text that starts like a description."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    lines = [line.strip() for line in head.split(b"\n")]
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return first.startswith(b"neurosim_network:") or path.suffix.lower() in (".yaml", ".yml")


def read_description(
    path: Path, reading: str | Reading | None = None, choices: Mapping[str, Any] | None = None
) -> Network:
    """Read the YAML file and the checkpoint that it names.

    Parameters
    ----------
    reading : replaces the one that the file names.
    choices : single choices that replace those of the reading; what a layer says itself stays.

    Raises
    ------
    InputFileError : one of the files cannot be used; the message names file, line and key.
    """
    where = str(path)
    document = parse_yaml(read_text_file(path, "description"), where)
    if document.problems:
        problem = document.problems[0]
        label = ".".join(str(part) for part in problem.path)
        line = problem.line or document.line_of(problem.path)
        raise InputFileError(f"{where}:{line}: {label} {problem.sentence}.")
    if not isinstance(document.data, dict):
        raise InputFileError(f"{where}: is no description of a network; it needs keys and values.")
    empty: Any = None
    top = Section(where, document, (), document.data, empty)
    top.check_keys(TOP)
    if document.data.get("neurosim_network") != FORMAT:
        raise top.fail("neurosim_network", f"needs to be {FORMAT}, the version of this format.")
    top.state = read_state_dict(_checkpoint(top, path))
    chosen = override(_reading(top, reading), choices or {})
    if chosen.missing is not None:
        raise UsageError(
            f"missing={chosen.missing!r} belongs to a NIR file; a description names its tensors."
        )
    if chosen.dt is None:
        chosen = replace(chosen, dt=ROCKPOOL_DT)
    with np.errstate(all="ignore"):
        return _Builder(top, chosen).network()


def _checkpoint(top: Section, path: Path) -> Path:
    found = path.parent / top.text("checkpoint")
    if not found.is_file():
        raise top.fail("checkpoint", f"names {str(found)!r}, which does not exist.")
    return found


def _reading(top: Section, given: str | Reading | None) -> Reading:
    if isinstance(given, Reading):
        return given
    name = top.text("reading", tuple(READINGS)) if given is None else given
    if name not in READINGS:
        raise UsageError(f"There is no reading {name!r}; known: {', '.join(KNOWN)}.")
    return READINGS[name]


@dataclass
class _Builder:
    """Nodes and edges under construction; `exits`: the nodes that a layer's output sums."""

    top: Section
    reading: Reading
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    exits: dict[str, list[str]] = field(default_factory=dict)
    feedback: tuple[str, Linear] | None = None  # of a recurrent_linear, for the next neuron

    def network(self) -> Network:
        """All layers in order, then the output."""
        shape = self.top.integers("input")
        if min(shape) < 1:
            raise self.top.fail("input", "needs sizes of at least 1.")
        self.nodes["input"] = Input(shape)
        self.exits["input"] = ["input"]
        layers = self.top.data.get("layers")
        if not isinstance(layers, list) or not layers:
            raise self.top.fail("layers", "needs a list of layers.")
        previous = "input"
        for i, data in enumerate(layers):
            section = Section(
                self.top.where,
                self.top.document,
                ("layers", i),
                data,
                self.top.state,
                self.top.used,
            )
            previous = self.layer(section, previous, i)
        self.nodes["output"] = Output()
        self.edges += [(source, "output") for source in self.exits[previous]]
        try:
            return self.finish()
        except InputFileError as error:
            raise type(error)(f"{self.top.where}: {error}") from None

    def finish(self) -> Network:
        state = self.top.state
        unused = [n for n in state.tensors if n not in self.top.used and not state.is_state(n)]
        notes = [f"Tensors that the description does not use: {', '.join(unused)}."]
        return Network(
            self.nodes,
            tuple(dict.fromkeys(self.edges)),
            self.top.text("readout", ("sum", "mean", "last"), "sum"),
            (*self.reading.assumptions(), *state.notes, *(notes if unused else ())),
            {
                "file": Path(self.top.where).name,
                "checkpoint_file": str(self.top.data["checkpoint"]),
                "format": state.format,
                "reading": self.reading.as_dict(),
            },
        )

    def layer(self, section: Section, previous: str, position: int) -> str:
        """Add one layer; returns its name."""
        if not isinstance(section.data, dict):
            raise section.fail(None, "needs to be a section with a kind.")
        if section.data.get("kind") == BLANK:
            raise section.fail("kind", f"is still blank (?). Known: {', '.join(KINDS)}.")
        kind = section.text("kind", tuple(KINDS))
        section.check_keys(KINDS[kind])
        name = str(section.data.get("name", f"{kind}{position}"))
        if name in self.exits or name == "output":
            raise section.fail("name", f"is {name!r}, which is there already.")
        sources = self.sources(section, previous)
        try:
            if kind == "add":
                self.exits[name] = sources
            elif kind == "concat":
                self.concatenation(section, name)
            elif kind == "neuron":
                self.neuron(section, name, sources)
            elif kind == "recurrent_linear":
                self.recurrent_linear(section, name, sources)
            else:
                self.chain(name, sources, [PLAIN_KINDS[kind][1](section)])
        except InputFileError as error:
            if str(error).startswith(section.where):
                raise
            raise section.fail(None, f"({name}) cannot be used: {error}") from None
        return name

    def sources(self, section: Section, previous: str) -> list[str]:
        """Nodes whose outputs are added up as input of a layer."""
        names = section.data.get("inputs", [previous])
        if not isinstance(names, list) or not names:
            raise section.fail("inputs", "needs a list of names of layers.")
        for name in names:
            if str(name) not in self.exits:
                raise section.fail("inputs", f"names {name!r}, which is no layer further up.")
        return [source for name in names for source in self.exits[str(name)]]

    def chain(self, name: str, sources: list[str], nodes: list[Node]) -> list[str]:
        """Nodes in a row; the last one is the layer's output. Returns their names."""
        names = [f"{name}.{i}" for i in range(len(nodes) - 1)] + [name]
        for node_name, node in zip(names, nodes, strict=True):
            if node_name in self.nodes:
                raise InputFileError(f"the node name {node_name!r} is there already.")
            self.nodes[node_name] = node
            self.edges += [(source, node_name) for source in sources]
            sources = [node_name]
        self.exits[name] = [name]
        return names

    def concatenation(self, section: Section, name: str) -> None:
        """The `inputs` one behind the other, along features or channels: placed, then added."""
        parts = [str(part) for part in section.data.get("inputs", [])]
        if len(parts) < 2:
            raise section.fail("inputs", "needs two or more layers to join.")
        shapes = [self.shape_of(self.exits[part][0]) for part in parts]
        if len({shape[1:] for shape in shapes}) > 1:
            listed = ", ".join(str(shape) for shape in shapes)
            raise section.fail(
                "inputs",
                f"have the shapes {listed}; features, or channels of equal images, can be joined.",
            )
        total, start, placed = sum(shape[0] for shape in shapes), 0, []
        for i, (part, shape) in enumerate(zip(parts, shapes, strict=True)):
            placed += self.chain(f"{name}.{i}", self.exits[part], [placement(shape, total, start)])
            start += shape[0]
        self.exits[name] = placed

    def shape_of(self, name: str) -> Shape:
        """What a node puts out."""
        node = self.nodes[name]
        if isinstance(node, Input):
            return node.shape
        return node.out_shape(self.shape_of(next(a for a, b in self.edges if b == name)))

    def recurrent_linear(self, section: Section, name: str, sources: list[str]) -> None:
        """One matrix over the input and the spikes of the next neuron in the tick before."""
        weight = section.tensor("weight")
        bias = section.tensor("bias") if section.has("bias") else None
        n_in = weight.shape[1] - weight.shape[0] if weight.ndim == 2 else 0
        if n_in < 1:
            raise section.fail("weight", f"has shape {weight.shape}; needed: (n, inputs + n).")
        self.chain(name, sources, [Linear(weight[:, :n_in], bias)])
        self.feedback = (name, Linear(weight[:, n_in:]))

    def neuron(self, section: Section, name: str, sources: list[str]) -> None:
        """Gain, soma, value of a spike, and the recurrent connection."""
        equation = self.equation(section)
        before, soma, after = equation.chain()
        front: list[Node] = [] if before is None else [before]
        if section.has("synapses"):
            if soma.alpha_syn is None or soma.alpha_syn.ndim != 2:
                raise section.fail("synapses", "needs syn_decay with one row per neuron.")
            k = soma.alpha_syn.shape[1]
            if section.integers("synapses") != (k,):
                raise section.fail("synapses", f"differs from syn_decay, which has {k} columns.")
            front, soma = several_synapses(before, soma)
        loop = _recurrent(section.inside("recurrent")) if section.has("recurrent") else None
        if loop is not None and section.inside("recurrent").switch("bias_from_second_tick"):
            bias = getattr(loop, "bias", None)
            if bias is None:
                raise section.fail("recurrent", "has bias_from_second_tick, but no bias.")
            soma = without_first_bias(before, soma, bias)
        names = self.chain(name, sources, [*front, soma])
        if after is not None:
            factor = f"{name}.factor"
            self.nodes[factor] = after
            self.edges.append((name, factor))
            self.exits[name] = [factor]
        back: tuple[str, Node] | None = None
        if self.feedback is not None:
            back, self.feedback = (f"{self.feedback[0]}.back", self.feedback[1]), None
        if loop is not None:
            back = (f"{name}.recurrent", loop)
        if back is not None:
            self.nodes[back[0]] = back[1]
            self.edges += [(name, back[0]), (back[0], names[0])]

    def equation(self, section: Section) -> Equation:
        """What the section says; the rest from the reading."""
        base = self.reading
        dt = section.scalar("dt", base.tick)

        def get(key: str, default: Any) -> Any:
            return section.number(key, dt) if section.has(key) else default

        def word(key: str) -> str:
            return section.text(key, CHOICES[key], getattr(base, key))

        decay = section.number("decay", dt)
        syn_decay: FloatArray | None = get("syn_decay", None)
        if syn_decay is not None and not section.has("synapses") and syn_decay.ndim == 2:
            syn_decay = syn_decay.reshape(-1) if syn_decay.shape[1] == 1 else syn_decay
        if base.decay_clamp is not None:
            decay = np.clip(decay, *base.decay_clamp)
            syn_decay = None if syn_decay is None else np.clip(syn_decay, *base.decay_clamp)
        membrane = section.text("output", ("spikes", "membrane"), "spikes") == "membrane"
        threshold = None if membrane else section.number("threshold", dt)
        constant, reset_value = get("constant", 0.0), get("reset_value", base.reset_value or 0.0)
        activation = None
        if section.has("activation"):
            activation = section.text("activation", (*ACTIVATIONS, "table"))
        n_max = section.data.get("max_spikes", base.max_spikes)
        if n_max is not None and (type(n_max) is not int or n_max < 1):
            raise section.fail("max_spikes", "needs a whole number above 0, or null for any.")
        return Equation(
            decay=decay,
            gain=_gain(section, decay, base, membrane),
            constant=constant,
            threshold=threshold,
            compare=word("compare"),
            reset=cast(Any, word("reset")),
            reset_timing=settled_timing(
                word("reset_timing"),
                word("reset"),
                syn_decay is not None,
                section.has("recurrent") or self.feedback is not None,
                0.0 if threshold is None else threshold,
            ),
            reset_value=reset_value,
            subtract=get("subtract", base.subtract),
            reset_add_all=section.scalar("reset_add_all", base.reset_add_all),
            v_start=get("v_start", _start(base, reset_value, decay, constant)),
            v_min=get("v_min", base.v_min),
            max_spikes=n_max,
            output_factor=section.scalar("output_factor", base.output_factor),
            syn_decay=syn_decay,
            syn_update=word("syn_update"),
            activation=cast(Any, activation),
            clamp=_clamp(section),
            table=section.number("table") if section.has("table") else None,
            table_step=section.scalar("table_step", 1.0),
            threshold_related=section.text("activation_of", ("U", "U - threshold"), "U") != "U",
        )


def _clamp(section: Section) -> tuple[float, float] | None:
    if not section.has("clamp"):
        return None
    limits = section.number("clamp").reshape(-1)
    if limits.size != 2 or not section.has("activation"):
        raise section.fail("clamp", "needs two numbers, low and high, beside an activation.")
    return float(limits[0]), float(limits[1])


def _gain(section: Section, decay: FloatArray, reading: Reading, membrane: bool) -> FloatArray:
    """Factor of the input: a number, or a rule of the file or of the reading."""
    rule = section.data.get("gain")
    if rule is None:
        rule = (reading.li_gain if membrane else None) or reading.gain
        if rule == "file":
            raise section.fail(
                None,
                f"needs gain: the reading {reading.name!r} does not say it (unit, one_minus_decay, "
                "decay, or numbers).",
            )
    if rule == "decay":
        return decay
    return GAINS[rule](decay) if isinstance(rule, str) and rule in GAINS else section.number("gain")


def _start(reading: Reading, reset_value: Any, decay: FloatArray, constant: Any) -> Any:
    if reading.v_start == "v_reset":
        return reset_value
    if reading.v_start == "v_leak":  # where the leak leads to
        return np.where(decay == 1, 0.0, np.asarray(constant) / np.where(decay == 1, 1, 1 - decay))
    return 0.0


def _recurrent(section: Section) -> Node:
    """The connection of a layer to itself: a matrix, a convolution, or one weight per neuron."""
    section.check_keys(("weight", "weight_in_out", "bias", "diagonal", "bias_from_second_tick"))
    if section.has("diagonal"):
        return Scale(section.tensor("diagonal"))
    if section.has("weight") and section.tensor("weight").ndim == 4:
        weight = section.tensor("weight")
        bias = section.tensor("bias") if section.has("bias") else None
        return Conv(weight, bias, padding=tuple((n // 2, (n - 1) // 2) for n in weight.shape[2:]))
    return read_linear(section)
