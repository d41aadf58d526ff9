"""Which layers should send values, and which spikes: the choices of a network and their frontier.

Every layer that sends values to others may send them as they are, as spike trains of some codes
(`neurosim.recoding`), or send its spikes instead, with the same weights. All combinations are tried
while they are few; beyond, the search starts with values everywhere and changes one layer at a
time, each time the one that then sends the fewest bits at the accuracy asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from neurosim.errors import UsageError
from neurosim.program.columns import Program
from neurosim.recoding.codes import SpikeCode
from neurosim.run.simulator import Run
from neurosim_mapper.network import Network
from neurosim_mapper.variants import as_spikes, sends_values

VALUES: Final = "values"
SPIKES: Final = "spikes"
MOST_RUNS: Final = 128
"""Combinations up to which all are tried."""

Choice = dict[str, str]
Build = Callable[[Network], Program]
Runner = Callable[[Program, Mapping[str, SpikeCode]], Run]


@dataclass(frozen=True)
class Candidate:
    """One combination.

    Attributes
    ----------
    sends : by layer ``values``, ``spikes`` or a code. accuracy : share of samples, 0..1.
    bits, energy_pj, cycles : per inference, packets of the host included.
    """

    sends: Choice
    accuracy: float
    bits: float
    energy_pj: float
    cycles: float


@dataclass(frozen=True)
class Exploration:
    """What was tried; `frontier` has rising bits and rising accuracy.

    Attributes
    ----------
    least_accuracy : that `proposal` has to reach; the proposal is None if no candidate does.
    complete : whether all combinations were tried.
    """

    candidates: tuple[Candidate, ...]
    frontier: tuple[Candidate, ...]
    proposal: Candidate | None
    least_accuracy: float
    complete: bool


def explore(
    network: Network,
    options: Sequence[str],
    build: Build,
    run: Runner,
    least_accuracy: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Exploration:
    """Try combinations of `options` over the layers of `network`.

    Parameters
    ----------
    options : of ``values``, ``spikes`` and codes such as ``phase:8``.
    build : maps a network; called once per set of layers that send spikes.
    run : simulates what was mapped; the codes are by layer, and no code means plain packets.
    least_accuracy : by default a percentage point below that of values everywhere.
    progress : called with 1 after every combination.

    Raises
    ------
    UsageError : no layer sends values to others, an unknown option, or no labels.
    """
    layers = sends_values(network)
    if not layers:
        raise UsageError("no hidden neuron of this network sends values; there is nothing to mix.")
    for option in options:
        if option not in (VALUES, SPIKES):
            SpikeCode.parse(option)
    search = _Search(network, layers, tuple(options), build, run, progress)
    start = search.try_out(dict.fromkeys(layers, VALUES))
    least = start.accuracy - 0.01 if least_accuracy is None else least_accuracy
    complete = len(options) ** len(layers) <= MOST_RUNS
    if complete:
        for choice in itertools.product(options, repeat=len(layers)):
            search.try_out(dict(zip(layers, choice, strict=True)))
    else:
        search.descend(start, least)
    found = tuple(search.seen.values())
    good = [candidate for candidate in found if candidate.accuracy >= least]
    proposal = min(good, key=lambda c: (c.bits, -c.accuracy)) if good else None
    return Exploration(found, frontier(found), proposal, least, complete)


def frontier(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Candidates that no other beats in bits without losing accuracy, from the fewest bits on."""
    best: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.bits, -c.accuracy)):
        if not best or candidate.accuracy > best[-1].accuracy:
            best.append(candidate)
    return tuple(best)


class _Search:
    """Combinations tried so far, and what was mapped for them."""

    def __init__(
        self,
        network: Network,
        layers: tuple[str, ...],
        options: tuple[str, ...],
        build: Build,
        run: Runner,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._network, self._layers, self._options = network, layers, options
        self._build, self._run, self._progress = build, run, progress
        self._programs: dict[tuple[str, ...], Program] = {}
        self.seen: dict[tuple[str, ...], Candidate] = {}

    def try_out(self, choice: Choice) -> Candidate:
        """The candidate of a combination, simulated once."""
        key = tuple(choice[layer] for layer in self._layers)
        if key not in self.seen:
            self.seen[key] = self._simulate(choice)
            if self._progress is not None:
                self._progress(1)
        return self.seen[key]

    def _simulate(self, choice: Choice) -> Candidate:
        spiking = tuple(layer for layer, option in choice.items() if option == SPIKES)
        plain = (VALUES, SPIKES)
        codes = {
            la: SpikeCode.parse(option) for la, option in choice.items() if option not in plain
        }
        report = self._run(self._program(spiking), codes).report()
        if report.accuracy is None:
            raise UsageError(
                "the samples have no labels y; without accuracy nothing can be chosen."
            )
        samples = max(1, report.samples)
        return Candidate(
            sends=dict(choice),
            accuracy=report.accuracy,
            bits=report.counts["bits_sent"] / samples,
            energy_pj=report.energy.total / samples,
            cycles=report.latency.cycles_total / samples,
        )

    def _program(self, spiking: tuple[str, ...]) -> Program:
        if spiking not in self._programs:
            network = as_spikes(self._network, spiking) if spiking else self._network
            self._programs[spiking] = self._build(network)
        return self._programs[spiking]

    def descend(self, start: Candidate, least: float) -> None:
        """Change one layer at a time while that saves bits at the accuracy asked for."""
        here = start
        while True:
            near = [
                self.try_out({**here.sends, layer: option})
                for layer in self._layers
                for option in self._options
            ]
            good = [c for c in near if c.accuracy >= least and c.bits < here.bits]
            if not good:
                return
            here = min(good, key=lambda c: c.bits)
