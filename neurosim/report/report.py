"""The report of one run: everything that ``report.json`` says.

Enters: a `Run`. Leaves: a `Report`, whose `to_dict` is plain JSON data with stable keys (the schema
is `neurosim.report.schema`). Promised: no wall time and no path in it, so equal runs give equal
reports, whatever the machine and the number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from neurosim.chip.model import Chip
from neurosim.cost.bandwidth import Bandwidth, bandwidth
from neurosim.cost.core_facts import core_facts, energy_by_layer
from neurosim.cost.energy import PJ_PER_J, Energy, energy, priced_counts
from neurosim.cost.floorline import Floorline, floorline
from neurosim.cost.latency import Latency, latency, seconds_total
from neurosim.program.columns import FLOW_KINDS, Program
from neurosim.provenance import chip_digest, program_digest, program_name
from neurosim.run.memory_facts import memory_facts

if TYPE_CHECKING:
    from neurosim.run.simulator import Run

REPORT_SCHEMA: Final = "neurosim-report/1"


@dataclass(frozen=True)
class Report:
    """What a run did and cost.

    Attributes
    ----------
    chip : name, digest, chips of the array, network model, and ``energy_terms``: every counter
        with its unit energy, source and kind.
    program : name, digest, cores, layers, seed, assumptions, mapping and provenance; ``memory`` is
        what it takes in the simulator (`neurosim.run.memory_facts`).
    samples, ticks : of the input.
    accuracy : share of samples whose prediction is their label; None without labels.
    counts : the table of `neurosim.cost.counters`, and the bits per axis that are priced.
    bandwidth, latency, energy : sections of the same name; see their modules.
    power_w : energy by time, over the whole run.
    energy_by_layer : the energy once more, by layer; see `neurosim.cost.core_facts`.
    floorline : what limits the run; see its module.
    """

    chip: Mapping[str, Any]
    program: Mapping[str, Any]
    samples: int
    ticks: int
    accuracy: float | None
    counts: Mapping[str, int]
    bandwidth: Bandwidth
    latency: Latency
    energy: Energy
    power_w: float
    energy_by_layer: Sequence[Mapping[str, Any]]
    floorline: Floorline

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data with the keys of ``report.json``.

        What this chip did with the energy and the time stands in its section ``chip``.
        """
        return {
            "schema": REPORT_SCHEMA,
            "chip": {
                **self.chip,
                "energy_by_layer": [dict(row) for row in self.energy_by_layer],
                "floorline": asdict(self.floorline),
            },
            "program": dict(self.program),
            "samples": self.samples,
            "ticks": self.ticks,
            "accuracy": self.accuracy,
            "counts": dict(self.counts),
            "bandwidth": asdict(self.bandwidth),
            "latency": asdict(self.latency),
            "energy_pj": self.energy.parts(),
            "power_w": self.power_w,
        }

    def to_json(self) -> str:
        """The text of ``report.json``."""
        return report_json(self.to_dict())

    def __str__(self) -> str:
        from neurosim.report.terminal import report_text

        return report_text(self.to_dict())


def report_json(data: Mapping[str, Any]) -> str:
    """The text of ``report.json``."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def make_report(run: Run) -> Report:
    """Price a run with the table of its chip."""
    program, counters = run.program, run.counters
    bill, seconds = energy(program, counters), seconds_total(program, counters)
    counts = priced_counts(program, counters)
    return Report(
        chip={
            **chip_facts(program.chip),
            "noc_model": run.noc,
            "energy_terms": [asdict(term) for term in bill.terms],
        },
        program={**program_facts(program), "memory": memory_facts(program)},
        samples=counters.n_samples,
        ticks=int(run.outputs.shape[1]),
        accuracy=run.accuracy,
        counts={name: n for name, n in counts.items() if isinstance(n, int)},
        bandwidth=bandwidth(program, counters),
        latency=latency(program, counters),
        energy=bill,
        power_w=bill.total / PJ_PER_J / seconds if seconds else 0.0,
        energy_by_layer=energy_by_layer(core_facts(program, counters), program.layer_names),
        floorline=floorline(program, counters),
    )


def chip_facts(chip: Chip) -> dict[str, Any]:
    """Which chip."""
    return {"name": chip.name, "digest": chip_digest(chip), "chips": chip.n_chips}


def program_facts(program: Program) -> dict[str, Any]:
    """Which program, how large, and what was assumed for it."""
    return {
        "name": program_name(program),
        "digest": program_digest(program),
        "cores_used": program.n_cores,
        "cores_available": len(program.chip.usable_cores),
        "phases": program.n_phases,
        "samples_at_once": program.interleave,
        "pipeline_ticks": program.depth_ticks,
        "layers": layer_facts(program),
        "output_layer": program.layer_names[program.output_layer],
        "readout": program.readout,
        "seed": program.seed,
        "assumptions": list(program.assumptions),
        "mapping": _in_order(program.mapping),
        "provenance": _in_order(program.provenance),
    }


def _in_order(data: Any) -> Any:
    """Plain data with sorted keys: the same text before saving a program and after loading it."""
    if isinstance(data, Mapping):
        return {key: _in_order(data[key]) for key in sorted(data)}
    return [_in_order(value) for value in data] if isinstance(data, list | tuple) else data


def layer_facts(program: Program) -> list[dict[str, Any]]:
    """Per layer: shape, kind of packet, neurons, cores, and the fill of its cores."""
    groups, core = program.groups, program.chip.core
    axons = np.diff(program.cores.axon_offset)
    neurons = np.diff(program.cores.neuron_offset)
    synapses = core_synapses(program)
    facts = []
    for layer, name in enumerate(program.layer_names):
        rows = np.flatnonzero(groups.layer == layer)
        used = np.unique(groups.core[rows])
        soma = rows[groups.psum_target[rows] < 0]
        facts.append(
            {
                "name": name,
                "shape": list(program.layer_shapes[layer]),
                "sends": _sends(program, layer, soma),
                "neurons": int(program.layers.offset[layer + 1] - program.layers.offset[layer]),
                "cores": int(used.size),
                "fan_in_fragments": int(rows.size - soma.size),
                "synapses": int(synapses[used].sum()),
                "axon_share": _share(axons[used], core.axons),
                "neuron_share": _share(neurons[used], core.neurons),
                "synapse_share": _share(synapses[used], core.synapses),
            }
        )
    return facts


def _sends(program: Program, layer: int, somas: np.ndarray[Any, np.dtype[np.intp]]) -> str:
    """Kind of packet, or the code of values that travel as spikes."""
    if not somas.size:
        return ""
    analog = program.modes.output[somas[0]] == FLOW_KINDS["analog"]
    codes = program.mapping.get("recoding", {})
    if analog and program.layer_names[layer] in codes:
        return str(codes[program.layer_names[layer]])
    return "analog" if analog else "spike"


def core_synapses(program: Program) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(n_cores,) connected synapses of every used core."""
    core = np.repeat(np.arange(program.n_cores), np.diff(program.cores.axon_offset))
    weights = program.axons.synapses.astype(np.float64)
    return np.bincount(core, weights=weights, minlength=program.n_cores).astype(np.int64)


def _share(used: np.ndarray[Any, np.dtype[np.int64]], limit: int) -> float:
    """Mean fill of some cores, 0..1."""
    return round(float(used.mean()) / limit, 4) if used.size else 0.0
