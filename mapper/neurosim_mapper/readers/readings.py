"""Readings: what a NIR file does not say, chosen by name.

NIR describes neurons by differential equations. The framework that trained the network stepped
them in one particular way, and no file records it: time step, kind of decay, gain of the input,
reset, comparison, start value. A `Reading` holds these choices; each named one reproduces the
spikes of one framework, and each single choice can be replaced.

All choices act on the soma of `neurosim_mapper.nodes.Neuron`; sources are the frameworks' step
equations (snnTorch 1.0, SpikingJelly 2.0, Norse 1.1, Sinabs 3.1, Rockpool 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError, UsageError
from neurosim.files.strict_yaml import resolve

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "decay": ("euler", "exp", "none"),
    "gain": ("file", "unit", "one_minus_decay", "decay"),
    "li_gain": ("file", "unit", "one_minus_decay", "decay"),
    "syn_decay": ("euler", "exp"),
    "syn_gain": ("file", "unit"),
    "syn_update": ("decay_then_add", "add_then_decay", "add_use_decay"),
    "reset": ("hard", "soft", "none"),
    "reset_timing": (
        "same_step",
        "same_step_raised",
        "next_step_after_leak",
        "next_step_drop_input",
        "snntorch",
        "snntorch_no_delay",
    ),
    "compare": (">", ">="),
    "v_start": ("zero", "v_leak", "v_reset"),
}


TIMINGS: Final = {
    ("hard", "same_step"),
    ("hard", "next_step_drop_input"),
    ("soft", "same_step"),
    ("soft", "same_step_raised"),
    ("soft", "next_step_after_leak"),
}


_BY_KIND: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "snntorch": (
        ("soft", "; subtraction acts in the next step, after the leak"),
        (
            "hard",
            "; the reset to a value acts in the same step, but current-based and recurrent "
            "neurons lose the input of the next step instead",
        ),
    ),
    "snntorch_no_delay": (
        (
            "soft",
            "; subtraction acts in the same step, and raises the threshold of the next step where "
            "the potential still exceeds it",
        ),
        ("hard", "; the reset to a value acts in the same step"),
    ),
}


def settled_timing(
    timing: str, reset: str, current_based: bool, recurrent: bool, threshold: npt.ArrayLike = 0.0
) -> str:
    """One of `TIMINGS` for a neuron; ``snntorch`` and ``snntorch_no_delay`` go by its class.

    Leaky is neither current-based nor recurrent to itself, Synaptic, RLeaky and RSynaptic are one
    or both. ``snntorch_no_delay`` is ``reset_delay=False``, which does nothing in RSynaptic (where
    it does not fail).

    Raises InputFileError for a threshold below 0: there these neurons count a spike before the
    first tick.
    """
    if timing not in _BY_KIND:
        return timing
    delayed = timing == "snntorch" or (current_based and recurrent)
    late = delayed and (reset == "soft" or current_based or recurrent)
    if reset != "none" and (late or not delayed) and np.min(threshold) < 0:
        raise InputFileError(
            f"a threshold of {np.min(threshold):g}, below the start value 0, makes snnTorch reset "
            "before the first tick; that cannot be expressed. Use thresholds of at least 0."
        )
    if reset == "soft":
        return "next_step_after_leak" if delayed else "same_step_raised"
    return "next_step_drop_input" if late else "same_step"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Reading:
    """How the neurons of a NIR file are stepped.

    Attributes
    ----------
    name, version : of the named reading that this one started from.
    dt : one tick, in the file's unit of time after `tau_factor`; None: as Rockpool's r tells it,
        r = tau exp(-dt/tau) / dt.
    tau_factor : every tau in the file is multiplied by it.
    decay : of the membrane per tick: ``euler`` 1 - dt/tau, ``exp`` exp(-dt/tau), ``none`` 1.
    decay_clamp : limits that the decay (membrane and synapse) is clipped to, or None.
    gain : factor of the input of a membrane: ``file`` r dt/tau (Euler), r (1 - decay) (exp) or
        r dt (IF); ``unit`` 1; ``one_minus_decay`` (1 for IF); ``decay``.
    li_gain : the same for neurons that never fire (LI, CubaLI); None means as `gain`.
    syn_decay, syn_gain : the same for the synaptic state of current-based neurons; ``file`` is
        w_in dt/tau_syn.
    syn_update : ``decay_then_add`` I = a I + x; ``add_then_decay`` I = a (I + x);
        ``add_use_decay`` J = I + x, I = a J, which acts as the first.
    tau_syn : gives LIF nodes a synaptic state whose time constant the file has lost, or None.
    reset : ``hard`` to `reset_value`, ``soft`` by `subtract`, ``none``.
    reset_timing : ``same_step`` before the leak; ``next_step_after_leak`` (soft reset only);
        ``next_step_drop_input``: hard, and the input of the tick after a spike is lost;
        ``same_step_raised``: soft, and the threshold of the next tick is higher by `subtract` where
        the potential still exceeds it; ``snntorch`` and ``snntorch_no_delay``: see
        `settled_timing`.
    reset_value : replaces the file's v_reset, or None.
    subtract : what a soft reset subtracts per spike; None means the threshold.
    reset_add_all : added to every potential before each leak, spike or not.
    compare : a spike needs U ``>`` or ``>=`` threshold.
    v_start : potential before the first tick.
    v_min : lower clamp of what the reset leaves, or None.
    max_spikes : spikes per tick; None means without limit.
    output_factor : a spike counts as this value for the nodes behind it.
    missing : file with parameters that the framework leaves out of its NIR files
        (`neurosim_mapper.readers.supplement`), or None; of the whole network.
    layers : by node name, choices that differ there.
    """

    name: str
    version: int = 1
    dt: float | None = 1e-4
    tau_factor: float = 1.0
    decay: str = "euler"
    decay_clamp: tuple[float, float] | None = None
    gain: str = "file"
    li_gain: str | None = None
    syn_decay: str = "euler"
    syn_gain: str = "file"
    syn_update: str = "decay_then_add"
    tau_syn: float | None = None
    reset: str = "hard"
    reset_timing: str = "same_step"
    reset_value: float | None = None
    subtract: float | None = None
    reset_add_all: float = 0.0
    compare: str = ">"
    v_start: str = "zero"
    v_min: float | None = None
    max_spikes: int | None = 1
    output_factor: float = 1.0
    missing: str | None = None
    layers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known and not (name == "li_gain" and value is None):
                raise UsageError(f"A reading has no {name} {value!r}; known: {', '.join(known)}.")
        for name in ("dt", "tau_factor", "tau_syn"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise UsageError(f"{name} of a reading is {value!r}; a number above 0 is needed.")
        for name in ("reset_value", "subtract", "reset_add_all", "v_min", "output_factor"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise UsageError(f"{name} of a reading is {value!r}; a finite number is needed.")
        if self.max_spikes is not None and (
            not isinstance(self.max_spikes, int) or self.max_spikes < 1
        ):
            raise UsageError(
                f"max_spikes of a reading is {self.max_spikes!r}; needed: 1 or more, or None."
            )
        if self.missing is not None and not isinstance(self.missing, str):
            raise UsageError(f"missing of a reading is {self.missing!r}; a file name is needed.")
        self._check_clamp()
        timing = settled_timing(self.reset_timing, self.reset, False, False)
        if self.reset != "none" and (self.reset, timing) not in TIMINGS:
            raise UsageError(
                f"There is no {self.reset} reset with the timing {self.reset_timing!r}; known: "
                + ", ".join(f"{reset} {timing}" for reset, timing in sorted(TIMINGS))
                + "."
            )

    def _check_clamp(self) -> None:
        if self.decay_clamp is None:
            return
        limits = tuple(self.decay_clamp)
        if len(limits) != 2 or not all(map(_is_number, limits)) or limits[0] >= limits[1]:
            raise UsageError(f"decay_clamp of a reading is {limits}; two numbers are needed.")
        object.__setattr__(self, "decay_clamp", limits)

    @property
    def tick(self) -> float:
        """`dt`, where it is known."""
        if self.dt is None:
            raise UsageError("What one tick is, is not known here; give the reading a dt.")
        return self.dt

    def for_node(self, name: str) -> Reading:
        """The choices for one node."""
        return override(replace(self, layers={}), self.layers.get(name, {}))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data, for provenance."""
        plain = {key: _plain(value) for key, value in asdict(self).items()}
        return plain | {"missing": self.missing and Path(self.missing).name}

    def _timing_words(self) -> str:
        if self.reset_timing not in _BY_KIND:
            return "" if self.reset == "none" else f", {self.reset_timing.replace('_', ' ')}"
        used = {self.reset, *(changes.get("reset") for changes in self.layers.values())}
        return "".join(words for reset, words in _BY_KIND[self.reset_timing] if reset in used)

    def assumptions(self) -> tuple[str, ...]:
        """One sentence for everything that is assumed and not in the file."""
        spikes = (
            "any number of spikes" if self.max_spikes is None else f"{self.max_spikes} spike(s)"
        )
        reset = {
            "hard": "to " + ("v_reset" if self.reset_value is None else f"{self.reset_value:g}"),
            "soft": "by subtracting "
            + ("the threshold" if self.subtract is None else f"{self.subtract:g}"),
            "none": "never",
        }[self.reset]
        said = [
            f"Reading {self.name!r} (version {self.version}): what follows is not in the file.",
            f"One tick is {'what r tells' if self.dt is None else f'{self.dt:g}'}; each tau counts "
            f"times {self.tau_factor:g}.",
            f"The membrane decays by {self.decay!r}, its input gain is {self.gain!r}.",
            f"Synapses (current-based neurons) decay by {self.syn_decay!r}, gain "
            f"{self.syn_gain!r}, update {self.syn_update!r}.",
            f"A neuron resets {reset}{self._timing_words()}.",
            f"A neuron fires at U {self.compare} threshold, {spikes} per tick.",
            f"Potentials start at {self.v_start.replace('zero', '0')}.",
        ]
        if self.v_min is not None:
            said.append(f"Potentials do not fall below {self.v_min:g}.")
        if self.tau_syn is not None:
            said.append(f"LIF nodes have a synaptic state with tau {self.tau_syn:g}.")
        if self.reset_add_all:
            said.append(f"{self.reset_add_all:g} is added to every potential in every tick.")
        if self.output_factor != 1:
            said.append(f"A spike counts as {self.output_factor:g}.")
        for node, changes in self.layers.items():
            listed = ", ".join(f"{key} {value}" for key, value in changes.items())
            said.append(f"Node {node!r} differs: {listed}.")
        return tuple(said)


READINGS: Final[dict[str, Reading]] = {
    reading.name: reading
    for reading in (
        Reading("literal"),
        Reading(
            "snntorch",
            decay_clamp=(0.0, 1.0),
            gain="unit",
            syn_gain="unit",
            reset="soft",
            reset_timing="snntorch",
        ),
        Reading("spikingjelly", compare=">=", v_start="v_reset"),
        Reading(
            "norse",
            dt=1e-3,
            tau_factor=1e3,
            v_start="v_leak",
            syn_gain="unit",
            syn_update="add_use_decay",
        ),
        Reading(
            "sinabs",
            dt=1.0,
            decay="exp",
            gain="one_minus_decay",
            li_gain="unit",
            syn_decay="exp",
            syn_gain="unit",
            syn_update="add_then_decay",
            reset="soft",
            compare=">=",
            max_spikes=None,
        ),
        Reading(
            "rockpool",
            dt=None,
            decay="exp",
            gain="unit",
            li_gain="decay",
            syn_decay="exp",
            syn_gain="unit",
            syn_update="add_then_decay",
            reset="soft",
            compare=">=",
            max_spikes=65536,
        ),
        Reading("liafnet", gain="unit"),
    )
}

ROCKPOOL_DT: Final = 1e-3  # the default of its modules, where no r tells

# Files that neurosim wrote say how they are stepped; nothing is assumed for them.
OWN: Final = "neurosim"
KNOWN: Final = (OWN, *READINGS)


def named_reading(name: str) -> Reading:
    """A reading by name; UsageError lists the known ones."""
    if name not in READINGS:
        raise UsageError(f"There is no reading {name!r}; known: {', '.join(KNOWN)}.")
    return READINGS[name]


def parse_reading(text: str) -> tuple[str, dict[str, Any]]:
    """Name and choices of ``name,choice=value,...``, as typed on a command line.

    A choice of one node is ``layers.NODE.choice=value``; two limits are ``decay_clamp=0:1``.
    Raises UsageError for a part that is no choice.
    """
    name, *parts = text.split(",")
    choices: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{part!r} in the reading {text!r} is not of the form choice=value.")
        where = choices
        if key.startswith("layers."):
            node, _, key = key.removeprefix("layers.").rpartition(".")
            where = choices.setdefault("layers", {}).setdefault(node, {})
        limits = [value] if key == "missing" else [resolve(limit) for limit in value.split(":")]
        where[key] = tuple(limits) if len(limits) > 1 else limits[0]
        if limits == ["none"] and key not in ("reset", "decay"):
            where[key] = None
    return name, choices


def override(reading: Reading, changes: Mapping[str, Any]) -> Reading:
    """`reading` with single choices replaced; UsageError for an unknown choice."""
    known = [f.name for f in fields(Reading) if f.name not in ("name", "version")]
    for name in changes:
        if name not in known:
            raise UsageError(f"A reading has no choice {name!r}; known: {', '.join(known)}.")
    return replace(reading, **changes)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
