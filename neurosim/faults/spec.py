"""What shall fail: ``weights:1e-4``, ``silent:0.01,seed=3``, ``dropped:layer=conv1,tick=7``.

============ ===================================== =============================================
kind         what fails                            where (each may be left out: all of them)
============ ===================================== =============================================
weights      a bit of a stored weight is flipped   core, axon, neuron, bit
potentials   a bit of a potential is flipped once  core, neuron, bit, sample, tick
silent       a neuron never sends                  core, neuron
firing       a neuron sends a spike in every tick  core, neuron
dropped      a packet does not arrive              layer, core, neuron, link, sample, tick
corrupted    a bit of the value in a packet flips  layer, core, neuron, link, bit, sample, tick
misdelivered a bit of the axon in a packet flips:  layer, core, neuron, link, bit, sample, tick
             the wrong axon of the core hears it
============ ===================================== =============================================

A rate is the chance of each candidate: of every bit, of every bit in every tick, of every neuron;
of every packet, of every bit of it. Without a rate all candidates fail. Numbers of cores, axons
and neurons count from 0: cores in the order of the Program, axons and neurons within their core; a
link has the number of `neurosim.program.columns`. Of a packet, layer, core and neuron are those
that send it (the layer ``input`` is the host), the tick is the chip tick of sending.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from neurosim.errors import UsageError

PLACES: Final = {
    "weights": ("core", "axon", "neuron", "bit"),
    "potentials": ("core", "neuron", "bit", "sample", "tick"),
    "silent": ("core", "neuron"),
    "firing": ("core", "neuron"),
    "dropped": ("layer", "core", "neuron", "link", "sample", "tick"),
    "corrupted": ("layer", "core", "neuron", "link", "bit", "sample", "tick"),
    "misdelivered": ("layer", "core", "neuron", "link", "bit", "sample", "tick"),
}
OF_PACKETS: Final = ("dropped", "corrupted", "misdelivered")
BETWEEN_TICKS: Final = ("potentials", *OF_PACKETS)
"""Kinds that no Program can express: they come about between ticks."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault; `text` is how it was written, `layer` a name, empty for all."""

    kind: str
    rate: float = 1.0
    seed: int = 0
    where: dict[str, int] = field(default_factory=dict)
    text: str = ""
    layer: str = ""


def parse_fault(text: str) -> Fault:
    """Read ``KIND:RATE[,seed=N]`` or ``KIND:PLACE=N,...``; UsageError names what is wrong."""
    kind, _, rest = text.partition(":")
    if kind not in PLACES:
        raise UsageError(f"fault {text!r}: {kind!r} is no kind; known: {', '.join(PLACES)}.")
    rate, seed, layer = None, 0, ""
    where: dict[str, int] = {}
    for part in filter(None, rest.split(",")):
        name, has_value, value = part.partition("=")
        if not has_value:
            rate = _rate(text, part)
        elif name == "seed":
            seed = _whole(text, name, value)
        elif name == "layer" and name in PLACES[kind]:
            layer = value
        elif name in PLACES[kind]:
            where[name] = _whole(text, name, value)
        else:
            known = ", ".join((*PLACES[kind], "seed"))
            raise UsageError(f"fault {text!r}: {name!r} is no place of {kind}; known: {known}.")
    if rate is None and not where and not layer:
        raise UsageError(f"fault {text!r}: needs a rate ({kind}:0.001) or a place ({kind}:core=0).")
    return Fault(kind, 1.0 if rate is None else rate, seed, where, text, layer)


def _rate(text: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise UsageError(f"fault {text!r}: {value!r} is no rate; a number from 0 to 1 is needed.")
    return rate


def _whole(text: str, name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise UsageError(f"fault {text!r}: {name} is {value!r}; a whole number from 0 is needed.")
    return int(value)
