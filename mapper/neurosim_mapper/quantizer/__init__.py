"""From the float network to integers: scales, shifts, thresholds, activation ranges."""

from neurosim_mapper.quantizer.api import quantize
from neurosim_mapper.quantizer.figures import quantization_report

__all__ = ["quantization_report", "quantize"]
