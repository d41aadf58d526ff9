"""What a caller can choose about quantisation, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UsageError

RangeMethod = Literal["minmax", "percentile", "mse"]
InputKind = Literal["auto", "spike", "analog"]


@dataclass(frozen=True)
class QuantizeOptions:
    """Choices of `quantize`; see there. `stretch` makes weight units larger than they need be."""

    weight_bits: int
    per_channel: bool = True
    activation_range: RangeMethod = "minmax"
    percentile: float = 99.9
    input_kind: InputKind = "auto"
    weight_shift: int | None = None
    stretch: float = 1.0

    @property
    def weight_max(self) -> int:
        """Largest weight magnitude of a scaled layer (symmetric)."""
        return (1 << (self.weight_bits - 1)) - 1


def check_options(options: QuantizeOptions, chip: Chip) -> None:
    """Raise UsageError for a choice that makes no sense on this chip."""
    if chip.core.weight_bits < 2:
        raise DoesNotFitError(
            f"{chip.name} has core.weight_bits = {chip.core.weight_bits}; a signed weight needs 2. "
            "A chip with core.weight_bits of 2 would fit."
        )
    if not 2 <= options.weight_bits <= chip.core.weight_bits:
        raise UsageError(
            f"weight_bits is {options.weight_bits}; {chip.name} holds weights of 2 to "
            f"{chip.core.weight_bits} bits. Choose one of these, or leave it to the chip."
        )
    if options.activation_range not in ("minmax", "percentile", "mse"):
        raise UsageError(
            f"activation_range is {options.activation_range!r}; known: minmax, percentile, mse."
        )
    if options.input_kind not in ("auto", "spike", "analog"):
        raise UsageError(f"input_kind is {options.input_kind!r}; known: auto, spike, analog.")
    if not 0 < options.percentile <= 100:
        raise UsageError(f"percentile is {options.percentile}; needed: above 0, at most 100.")
    shift = options.weight_shift
    if shift is not None and not 0 <= shift <= chip.core.max_weight_shift:
        raise UsageError(
            f"weight_shift is {shift}; {chip.name} offers 0 to {chip.core.max_weight_shift}."
        )
