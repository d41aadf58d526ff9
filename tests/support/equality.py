"""The central assertion: what the chip computes is what the reference computes, bit for bit."""

from __future__ import annotations

import numpy as np

import neurosim
from neurosim_mapper.reference import trace_reference


def assert_equal_to_reference(program, network, x, threads=1):
    """Outputs, values and potentials of every layer; returns the run."""
    probe = [layer.name for layer in network.layers]
    run = neurosim.simulate(program, x, probe=probe, threads=threads)
    expected = trace_reference(network, x)
    np.testing.assert_array_equal(run.outputs, expected.outputs)
    for name in probe:
        np.testing.assert_array_equal(run.values[name], expected.values[name], err_msg=name)
        np.testing.assert_array_equal(run.membrane[name], expected.membrane[name], err_msg=name)
    return run
