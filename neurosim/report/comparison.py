"""Several runs side by side: spikes against values, in packets, bits, time and energy.

Enters: reports of runs on the same chip and the same samples, by name. Leaves: a `Comparison`,
plain JSON data with stable keys. Every figure follows from the reports alone.

Definitions:

- *per inference*: the run's count over its samples.
- ``payload_overhead``: the payload of a value packet as a share of the spike packet, and as a
  share of the value packet. Properties of the chip, not of a network.
- ``packet_ratio``: packets that cores send in the run with values, by those in the run with
  spikes, partial sums left out.
- ``break_even.bits``: the packet ratio below which values send fewer bits on this chip: the size
  of a spike packet by that of a value packet.
- ``break_even.energy``: the same for energy: the energy per packet of the spiking run (all of it
  but static power and host traffic) by that of the run with values.
- ``relative``: figures per inference by those of the first variant; None where that has 0.
- ``if_bare``, ``if_payload``: bits per inference of the same packets if none of them carried a
  value, and if each of them did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from neurosim.errors import UsageError

COMPARISON_SCHEMA: Final = "neurosim-comparison/1"
VALUES: Final = ("analog", "mixed")
ReportData = Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """One run, per inference unless the name says otherwise.

    Attributes
    ----------
    sends : what its cores send to each other: spike, analog, mixed, or the code of values that
        travel as spike trains.
    note : what to know about it, for instance that it was not retrained.
    silent_share : share of neuron updates that sent nothing.
    packets : sent by cores, partial sums included; `input_packets` by the host.
    header_bits, payload_bits, bits : of all packets, those of the host included.
    seconds, cycles : from first input to last output. energy_pj : by part.
    """

    name: str
    sends: str
    note: str
    cores: int
    accuracy: float | None
    silent_share: float
    packets: float
    psum_packets: float
    input_packets: float
    header_bits: float
    payload_bits: float
    bits: float
    if_bare_bits: float
    if_payload_bits: float
    bit_hops: float
    peak_link: str
    peak_link_bits_per_tick: int
    cycles: float
    seconds: float
    energy_pj: dict[str, float]
    power_w: float


@dataclass(frozen=True)
class Pair:
    """One run with values against one with spikes; ratios are values by spikes."""

    analog: str
    spike: str
    packet_ratio: float | None
    bit_ratio: float | None
    energy_ratio: float | None
    break_even_bits: float
    break_even_energy: float | None
    verdict: str


@dataclass(frozen=True)
class Relative:
    """One variant's figures, each by that of the first variant."""

    name: str
    cores: float | None
    packets: float | None
    bits: float | None
    bit_hops: float | None
    cycles: float | None
    energy: float | None


@dataclass(frozen=True)
class Comparison:
    """Variants in the order they were given, and every pair of values against spikes."""

    chip: Mapping[str, Any]
    samples: int
    ticks: int
    packet_bits: Mapping[str, int]
    payload_overhead: Mapping[str, float]
    variants: tuple[Variant, ...]
    pairs: tuple[Pair, ...]
    relative: tuple[Relative, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"schema": COMPARISON_SCHEMA, **asdict(self)}

    def __str__(self) -> str:
        from neurosim.report.terminal import comparison_text

        return comparison_text(self)


def compare_runs(
    reports: Mapping[str, ReportData], notes: Mapping[str, str] | None = None
) -> Comparison:
    """Put reports (`Report.to_dict`) side by side.

    Parameters
    ----------
    reports : by the name to show; all of one chip and the same number of samples.
    notes : by name, what to know about a variant.

    Raises
    ------
    UsageError : nothing to compare, or reports of different chips or samples.
    """
    if not reports:
        raise UsageError("compare needs at least one run.")
    first = next(iter(reports.values()))
    _check_comparable(reports)
    variants = tuple(
        _variant(name, data, (notes or {}).get(name, "")) for name, data in reports.items()
    )
    sizes = first["bandwidth"]["packet_bits"]
    extra = sizes["analog"] - sizes["spike"]
    pairs = tuple(
        _pair(a, s, sizes)
        for a in variants
        if a.sends in VALUES
        for s in variants
        if s.sends not in VALUES
    )
    return Comparison(
        chip={key: first["chip"][key] for key in ("name", "digest", "chips", "noc_model")},
        samples=first["samples"],
        ticks=first["ticks"],
        packet_bits=dict(sizes),
        payload_overhead={
            "of_spike_packet": extra / sizes["spike"],
            "of_analog_packet": extra / sizes["analog"],
        },
        variants=variants,
        pairs=pairs,
        relative=tuple(_relative(variant, variants[0]) for variant in variants),
    )


def _check_comparable(reports: Mapping[str, ReportData]) -> None:
    (name, first), *others = reports.items()
    for other, data in others:
        for key, what in (("digest", "chips"), ("noc_model", "network models")):
            if data["chip"][key] != first["chip"][key]:
                raise UsageError(
                    f"{name!r} and {other!r} ran on different {what} "
                    f"({first['chip']['name']}, {data['chip']['name']}); compare needs the same."
                )
        if data["samples"] != first["samples"]:
            raise UsageError(
                f"{name!r} ran {first['samples']} samples, {other!r} {data['samples']}; "
                "compare needs the same."
            )


def _variant(name: str, data: ReportData, note: str) -> Variant:
    counts, samples = data["counts"], max(1, data["samples"])
    sizes = data["bandwidth"]["packet_bits"]
    n_spikes, n_values = counts["spike_packets"], counts["analog_packets"]
    psum_bits = counts["psum_packets"] * sizes["psum"]
    return Variant(
        name=name,
        sends=packet_kind(data),
        note=note,
        cores=data["program"]["cores_used"],
        accuracy=data["accuracy"],
        silent_share=1.0 - counts["fired"] / max(1, counts["neuron_updates"]),
        packets=counts["packets"] / samples,
        psum_packets=counts["psum_packets"] / samples,
        input_packets=counts["input_packets"] / samples,
        header_bits=(counts["bits_sent"] - counts["payload_bits"]) / samples,
        payload_bits=counts["payload_bits"] / samples,
        bits=counts["bits_sent"] / samples,
        if_bare_bits=((n_spikes + n_values) * sizes["spike"] + psum_bits) / samples,
        if_payload_bits=((n_spikes + n_values) * sizes["analog"] + psum_bits) / samples,
        bit_hops=counts["bit_hops"] / samples,
        peak_link=data["bandwidth"]["peak_link"],
        peak_link_bits_per_tick=data["bandwidth"]["peak_link_bits_per_tick"],
        cycles=data["latency"]["cycles_total"] / samples,
        seconds=data["latency"]["seconds_per_sample"],
        energy_pj={part: pj / samples for part, pj in data["energy_pj"].items()},
        power_w=data["power_w"],
    )


def packet_kind(data: ReportData) -> str:
    """What the hidden layers (or the only layer) of a run send: spike, analog or mixed."""
    layers = data["program"]["layers"]
    kinds = {layer["sends"] for layer in (layers[:-1] or layers)}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _pair(a: Variant, s: Variant, sizes: Mapping[str, int]) -> Pair:
    packets = _ratio(a.packets - a.psum_packets, s.packets - s.psum_packets)
    break_even = sizes["spike"] / sizes["analog"]
    return Pair(
        analog=a.name,
        spike=s.name,
        packet_ratio=packets,
        bit_ratio=_ratio(a.bits, s.bits),
        energy_ratio=_ratio(a.energy_pj["total"], s.energy_pj["total"]),
        break_even_bits=break_even,
        break_even_energy=_ratio(_per_packet(s), _per_packet(a)),
        verdict=_verdict(a.name, s.name, packets, break_even),
    )


def _relative(variant: Variant, first: Variant) -> Relative:
    return Relative(
        name=variant.name,
        cores=_ratio(variant.cores, first.cores),
        packets=_ratio(variant.packets, first.packets),
        bits=_ratio(variant.bits, first.bits),
        bit_hops=_ratio(variant.bit_hops, first.bit_hops),
        cycles=_ratio(variant.cycles, first.cycles),
        energy=_ratio(variant.energy_pj["total"], first.energy_pj["total"]),
    )


def _per_packet(variant: Variant) -> float:
    """Energy that follows the packets, per packet of a core, in pJ."""
    moving = variant.energy_pj["total"] - variant.energy_pj["static"] - variant.energy_pj["io"]
    return moving / variant.packets if variant.packets else 0.0


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


def _verdict(analog: str, spike: str, packets: float | None, break_even: float) -> str:
    if packets is None:
        return f"{spike} sends no packets; there is nothing to compare."
    cheaper = "fewer" if packets < break_even else "more" if packets > break_even else "as many"
    return (
        f"{analog} sends {packets:.2f} packets for each of {spike}; on this chip values need "
        f"fewer bits below {break_even:.2f}, so its cores send {cheaper} bits."
    )
