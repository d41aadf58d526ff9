"""What is said when a neuron fits no core: the limit, the need, the smallest change."""

from __future__ import annotations

from neurosim.errors import DoesNotFitError
from neurosim_mapper.partition.limits import CoreLimits


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
    return DoesNotFitError(
        f"layer {layer!r}: one neuron with {held} axons needs {held} synapses and "
        f"{int(-(-held * limits.synapse_bytes // 1))} bytes, a core of {limits.chip!r} has "
        f"core.synapses = {limits.synapses} and core.synapse_memory_bytes = "
        f"{limits.memory_bytes}. {search}A core with {held} synapses, or fewer weight "
        "bits, would fit."
    )


def _smallest_extension(needed: int, limits: CoreLimits) -> str:
    doublings = (-(-needed // limits.axons) - 1).bit_length()
    merge = (
        f", or axon_merge ({limits.axons << doublings} axons and {limits.neurons >> doublings} "
        "neurons per core)"
        if limits.neurons >> doublings and limits.extension != "axon_merge"
        else ""
    )
    return (
        f"A chip with core.axons of {needed} would fit, or one with fan_in_extension: psum_hw "
        f"({-(-needed // limits.axons)} cores per tile){merge}; else reduce the fan-in of the "
        f"layer{', or its weight_bits' if limits.typed else ''}."
    )
