"""One point made computable, and computed: a `Task` holds all that its result depends on.

`Materials` reads files in the process that leads the sweep, so that workers need none of them;
`evaluate` is a pure function that runs anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import numpy.typing as npt

from neurosim.chip.files import chip_with, load_chip
from neurosim.chip.model import Chip
from neurosim.errors import NeurosimError, UsageError
from neurosim.provenance import chip_digest, code_digest, file_digest, json_digest
from neurosim.run.inputs import Inputs, read_inputs
from neurosim_mapper.network import Network
from neurosim_mapper.readers import read_network
from neurosim_mapper.sweep.metrics import metrics_of
from neurosim_mapper.sweep.settings import FILES
from neurosim_mapper.sweep.study import Point
from neurosim_mapper.variants import as_spikes, sends_values

PACKAGES: Final = ("neurosim", "neurosim_mapper")
"""The packages whose code decides about a result."""

CODINGS: Final = ("trained", "values", "spikes")
"""Codings of the packets themselves; any other is a code of `neurosim.recoding`."""

_SOURCE: Final = "set by the study"
_V = TypeVar("_V")


@dataclass(frozen=True)
class Task:
    """A point and what its files hold."""

    point: Point
    chip: Chip
    network: Network
    inputs: Inputs
    calibration: npt.NDArray[Any] | None


@dataclass(frozen=True)
class Outcome:
    """What became of a point.

    Attributes
    ----------
    status : done; failed (the same point will fail again); crashed (it may work another time).
    reason : why it is not done.
    figures : `neurosim_mapper.sweep.metrics.METRICS` of a point that is done.
    """

    status: Literal["done", "failed", "crashed"]
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def evaluate(task: Task) -> Outcome:
    """Map and simulate one point, on one thread."""
    try:
        return Outcome("done", figures=_figures(task))
    except NeurosimError as error:
        return Outcome("failed", _one_line(error))
    except MemoryError:
        return Outcome("crashed", "not enough memory for this point")
    except Exception as error:
        return Outcome("crashed", f"internal error ({type(error).__name__}: {_one_line(error)})")


def coded(network: Network, coding: str) -> Network:
    """The network with its hidden neurons sending spikes, if `coding` says so."""
    values = sends_values(network)
    if coding == "spikes":
        return as_spikes(network) if values else network
    if coding == "values" and not values:
        raise UsageError("coding is 'values', but no hidden neuron of this network sends any.")
    return network


def _figures(task: Task) -> dict[str, Any]:
    from neurosim.recoding import simulate_recoded
    from neurosim.run.simulator import simulate
    from neurosim_mapper.pipeline import map_network

    settings = task.point.settings
    program = map_network(
        coded(task.network, settings.coding),
        task.chip,
        task.calibration,
        settings.seed,
        **settings.mapping_options(),
    )
    x, labels, noc = task.inputs.x, task.inputs.y, settings.noc
    if settings.coding in CODINGS:
        run = simulate(program, x, noc=noc, labels=labels, threads=1)
    else:
        run = simulate_recoded(program, x, settings.coding, noc=noc, labels=labels, threads=1)
    return metrics_of(run.report().to_dict())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


class Materials:
    """What the points of a study share, read once."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def key(self, point: Point) -> str:
        """Digest of everything that the result of a point depends on.

        Raises NeurosimError if a file cannot be read, or the chip is none.
        """
        settings = point.settings.model_dump(mode="json")
        for name in FILES:
            path = settings[name]
            settings[name] = None if path is None else self._once(file_digest, path)
        settings["chip"] = chip_digest(self._chip(point))
        return json_digest({"settings": settings, "code": code_digest(*PACKAGES)})

    def task(self, point: Point) -> Task:
        """Read what `evaluate` needs.

        Raises NeurosimError if that is not possible.
        """
        settings = point.settings
        network = self._once(read_network, settings.network, settings.reading)
        inputs = self._once(self._inputs, settings.input, *self._spread(point, network))
        calibration = None
        if settings.calibration is not None:
            spread = (network.input_shape, settings.ticks, None, 1.0, 0)
            calibration = self._once(self._inputs, settings.calibration, *spread).x
        return Task(point, self._chip(point), network, inputs.first(settings.samples), calibration)

    def _spread(self, point: Point, network: Network) -> tuple[Any, ...]:
        s = point.settings
        return (network.input_shape, s.ticks, s.encoder, s.full_scale, s.seed if s.encoder else 0)

    @staticmethod
    def _inputs(
        path: str,
        shape: tuple[int, ...],
        ticks: int | None,
        encoder: str | None,
        full_scale: float,
        seed: int,
    ) -> Inputs:
        return read_inputs(
            path, shape, ticks=ticks, encoder=encoder, full_scale=full_scale, seed=seed
        )

    def _chip(self, point: Point) -> Chip:
        base: Chip = self._once(load_chip, point.settings.chip)
        changed = ", ".join(point.chip_changes)
        return chip_with(base, point.chip_changes, _SOURCE, f"{base.name} with {changed}")

    def _once(self, function: Callable[..., _V], *words: Any) -> _V:
        key = (function.__qualname__, *words)
        if key not in self._kept:
            self._kept[key] = function(*words)
        found: _V = self._kept[key]
        return found
