"""JSON Schema (draft 2020-12) of ``report.json``: the keys that scripts may rely on.

Keys are never renamed or removed under the same ``schema`` value; sections that hold the chip's
and the program's own description may gain keys.
"""

from __future__ import annotations

from typing import Any, Final

from neurosim.cost.counters import BOUNDS
from neurosim.cost.energy import PARTS
from neurosim.cost.floorline import TIMES
from neurosim.report.report import REPORT_SCHEMA

_COUNT: Final = {"type": "integer", "minimum": 0}
_AMOUNT: Final = {"type": "number", "minimum": 0}
_SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}
_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

COUNTS: Final = {
    "axon_events": "packets that a core integrated",
    "synaptic_ops": "spikes x connected synapses",
    "macs": "values x connected synapses",
    "row_reads": "rows of the synapse memory read",
    "neuron_updates": "somas computed",
    "fired": "neurons and ticks that sent something",
    "packets": "packets sent by cores",
    "psum_packets": "of these, partial sums",
    "input_packets": "packets sent by the host",
    "spike_packets": "spike packets, those of the host included",
    "analog_packets": "packets with a value, those of the host included",
    "copies": "deliveries to cores",
    "hops_x": "east-west links between routers crossed by packets",
    "hops_y": "north-south links between routers crossed by packets",
    "crossings": "of these, links between chips",
    "flits": "link cycles that all packets need at their source",
    "bits_sent": "bits of all packets, header and payload",
    "payload_bits": "of these, payload",
    "bit_hops": "bits x links between routers crossed",
    "bit_hops_x": "of these, along east-west links",
    "bit_hops_y": "of these, along north-south links",
    "crossing_bits": "of these, over links between chips",
    "io_bits": "bits over the links to and from the host",
    "reload_cycles": "cycles in which a folded program waits for its weights",
    "reload_bits": "bits between the cores of a folded program and the memory it is reloaded from",
}
"""Keys of the section ``counts``; `neurosim.cost.counters` defines them in full."""


def report_schema() -> dict[str, Any]:
    """The schema; every key is required but ``energy_by_layer`` and ``floorline`` of the chip,
    which run folders of earlier versions do not have.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "neurosim report.json",
        **_section(
            {
                "schema": {"const": REPORT_SCHEMA},
                "chip": _chip(),
                "program": _program(),
                "samples": _said(_COUNT, "samples of the input"),
                "ticks": _said(_COUNT, "ticks per sample of the input"),
                "accuracy": {
                    "description": "share of samples predicted right; null without labels",
                    "anyOf": [_SHARE, {"type": "null"}],
                },
                "counts": _section({key: _said(_COUNT, text) for key, text in COUNTS.items()}),
                "bandwidth": _bandwidth(),
                "latency": _latency(),
                "energy_pj": _section(dict.fromkeys((*PARTS, "total"), _AMOUNT)),
                "power_w": _said(_AMOUNT, "mean power: energy by time"),
            },
        ),
    }


def _section(
    properties: dict[str, Any],
    *,
    more: bool = False,
    optional: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
        "additionalProperties": more,
    }


def _said(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _chip() -> dict[str, Any]:
    term = _section(
        {
            "part": {"enum": list(PARTS)},
            "counter": _TEXT,
            "key": _said(_TEXT, "key of the chip file's energy section"),
            "count": _AMOUNT,
            "unit_energy": _said(_AMOUNT, "pJ, for the static term W"),
            "energy_pj": _AMOUNT,
            "source": _TEXT,
            "kind": {"enum": ["published", "derived", "assumption"]},
        }
    )
    return _section(
        {
            "name": _TEXT,
            "digest": _DIGEST,
            "chips": _said({**_COUNT, "minimum": 1}, "chips of the array"),
            "noc_model": {"enum": ["ideal", "cycle"]},
            "energy_terms": {"type": "array", "items": term},
        },
        more=True,
        optional={"energy_by_layer": _energy_by_layer(), "floorline": _floorline()},
    )


def _energy_by_layer() -> dict[str, Any]:
    row = _section(
        {
            "what": {"enum": ["layer", "host", "static"]},
            "layers": _said(_TEXTS, "layers that share these cores"),
            "cores": _COUNT,
            **dict.fromkeys((*PARTS, "total"), _AMOUNT),
        }
    )
    return {"type": "array", "items": row, "description": "energy_pj, by layer; adds up to it"}


def _floorline() -> dict[str, Any]:
    binder = _section(
        {
            "bound": {"enum": list(BOUNDS)},
            "place": _said(_TEXT, "core, link or local port"),
            "layers": _TEXTS,
            "ticks": _COUNT,
            "cycles": _COUNT,
        }
    )
    return _section(
        {
            "cycles": _said(_section(dict.fromkeys(TIMES, _COUNT)), "cycles of the run, by cause"),
            "limit": {"enum": [*TIMES, ""]},
            "speedup": _said(
                _section({key: {"type": "number", "minimum": 1} for key in BOUNDS}),
                "time by the time without that bound",
            ),
            "binders": {"type": "array", "items": binder},
            "sentence": _TEXT,
        }
    )


def _program() -> dict[str, Any]:
    layer = _section(
        {
            "name": _TEXT,
            "shape": {"type": "array", "items": _COUNT},
            "sends": _TEXT,
            "neurons": _COUNT,
            "cores": _COUNT,
        },
        more=True,
    )
    return _section(
        {
            "name": _TEXT,
            "digest": _DIGEST,
            "cores_used": _COUNT,
            "cores_available": _COUNT,
            "phases": _said({**_COUNT, "minimum": 1}, "per tick; 1 unless folded"),
            "layers": {"type": "array", "items": layer},
            "seed": {"type": "integer"},
            "assumptions": {"type": "array", "items": _TEXT},
            "provenance": {"type": "object"},
        },
        more=True,
    )


def _bandwidth() -> dict[str, Any]:
    return _section(
        {
            "packet_bits": _section(dict.fromkeys(("spike", "analog", "psum"), _COUNT)),
            "payload_bits": _said(_COUNT, "payload of all packets sent"),
            "bits_sent": _said(_COUNT, "header and payload of all packets sent"),
            "bit_hops": _said(_COUNT, "bits x links between routers crossed"),
            "peak_link_bits_per_tick": _said(_COUNT, "most bits of one link in one tick"),
            "mean_link_bits_per_tick": _said(_AMOUNT, "over all working links and ticks"),
            "peak_link": _said(_TEXT, "(x,y) -> (x,y); empty without traffic"),
        }
    )


def _latency() -> dict[str, Any]:
    return _section(
        {
            "cycles_total": _COUNT,
            "cycles_per_tick_mean": _AMOUNT,
            "cycles_per_tick_max": _COUNT,
            "seconds_per_sample": _AMOUNT,
            "overruns": _said(_COUNT, "ticks of fixed length that were busy for longer"),
            "bound": _said(
                _section(dict.fromkeys(BOUNDS, _COUNT)), "ticks that each resource binds"
            ),
        }
    )
