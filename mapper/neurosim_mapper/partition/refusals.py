"""What is said when a neuron fits no core: the limit, the need, the smallest change."""

from __future__ import annotations

from collections.abc import Sequence

from neurosim.errors import DoesNotFitError
from neurosim_mapper.partition.candidates import Candidates
from neurosim_mapper.partition.geometry import Geometry
from neurosim_mapper.partition.limits import CoreLimits


def no_tile(layers: Sequence[tuple[Geometry, Candidates]], limits: CoreLimits) -> DoesNotFitError:
    """No tile of these layers fits a core; speaks of the one that needs most.

    So the change that it names is enough for the others, too.
    """
    needs = [max(1, geometry.axons_per_neuron) for geometry, _ in layers]
    worst = max(range(len(layers)), key=lambda i: needs[i])
    search, others = layers[worst][1], len(layers) - 1
    counts = ", ".join(f"{name} {n}" for name, n in search.rejected.items())
    shapes = f"All {search.considered} tile shapes were" if search.considered > 1 else "Tiles are"
    tried = f"{shapes} rejected ({counts})."
    if others:
        tried += f" So were those of {others} other layer{'s' if others > 1 else ''}."
    return too_large_neuron(search.name, needs[worst], limits, tried)


def too_large_neuron(
    layer: str, needed: int, limits: CoreLimits, tried: str = ""
) -> DoesNotFitError:
    """A neuron of `layer` with `needed` axons fits no core; `tried` is a sentence or none."""
    search = f"{tried} " if tried else ""
    counted = " (one per source and axon type)" if limits.typed else ""
    if needed > limits.axons and not limits.splits:
        return DoesNotFitError(
            f"layer {layer!r} needs {needed} axons per neuron{counted}, a core of {limits.chip!r} "
            f"has core.axons = {limits.axons} and core.fan_in_extension is "
            f"{limits.extension!r}. {search}{_smallest_extension(needed, limits)}"
        )
    held = 1 if limits.splits else needed
    plural = "" if held == 1 else "s"
    room = min(needed, limits.axons) if limits.splits else needed
    return DoesNotFitError(
        f"layer {layer!r}: one neuron with {held} axon{plural} needs {held} synapse{plural} and "
        f"{_bytes(held, limits)} bytes, a core of {limits.chip!r} has core.synapses = "
        f"{limits.synapses} and core.synapse_memory_bytes = {limits.memory_bytes}. {search}"
        f"A chip with {' and '.join(_more_memory(room, limits))} would fit"
        f"{_fewer_bits(room, limits)}."
    )


def _smallest_extension(needed: int, limits: CoreLimits) -> str:
    doublings = (-(-needed // limits.axons) - 1).bit_length()
    merge = (
        f", or axon_merge ({limits.axons << doublings} axons and {limits.neurons >> doublings} "
        "neurons per core)"
        if limits.neurons >> doublings and limits.extension != "axon_merge"
        else ""
    )
    axons = -(-needed // (1 << limits.n_merges))
    changes = [f"core.axons of {axons}", *_more_memory(needed, limits)]
    field = (axons - 1).bit_length()
    if limits.axon_field_bits is not None and limits.axon_field_bits < field:
        changes.append(f"{field} bits for the packet field 'axon'")
    wide = f", packet.psum_payload_bits of {limits.psum_bits}" if limits.psum_bits else ""
    return (
        f"A chip with {' and '.join(changes)} would fit, or one with fan_in_extension: psum_hw "
        f"({-(-needed // limits.axons)} cores per tile{wide}){merge}; else reduce the fan-in of "
        f"the layer{', or its weight_bits' if limits.typed else ''}."
    )


def _bytes(n_synapses: int, limits: CoreLimits) -> int:
    return int(-(-n_synapses * limits.synapse_bytes // 1))


def _more_memory(n_synapses: int, limits: CoreLimits) -> list[str]:
    """The limits of memory that so many synapses break, raised as far as they need."""
    changes = [f"core.synapses of {n_synapses}"] if n_synapses > limits.synapses else []
    needed = _bytes(n_synapses, limits)
    if needed > limits.memory_bytes:
        changes.append(f"core.synapse_memory_bytes of {needed}")
    return changes


def _fewer_bits(n_synapses: int, limits: CoreLimits) -> str:
    """Weights narrow enough for the memory, where that alone helps."""
    bits = limits.memory_bytes * 8 // n_synapses
    if limits.typed or n_synapses > limits.synapses or bits < 2:
        return ""
    return f", or one with core.weight_bits of {bits}"
