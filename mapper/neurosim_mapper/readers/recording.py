"""Does a network put out what its framework put out? Verified before anything is mapped.

Enters: a `Network` and an ``.npz`` with inputs `x` (samples, ticks, ...) and what the framework
gave, `spikes` or `outputs` (samples, ticks, ...). Leaves: a `Comparison`, with the first value
that differs. Hidden layers may be recorded, too, as ``spikes_<node>``; they tell where it begins.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim.files.needed import need_file
from neurosim.run.encoding import checked_input
from neurosim_mapper.float_executor import trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Neuron
from neurosim_mapper.readers.npz_file import read_npz

TOLERANCE: Final = 1e-5  # for recorded values that are no whole numbers
HIDDEN: Final = "spikes_"


@dataclass(frozen=True)
class Difference:
    """One value that is not as recorded; `neuron` counts row-major."""

    layer: str
    sample: int
    tick: int
    neuron: int
    recorded: float
    computed: float


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes
    ----------
    n_values, n_wrong : output values compared, and how many differ by more than the tolerance.
    largest_error : over all output values.
    first : the first output value that differs, by tick, then sample, then neuron.
    first_hidden : the same for the first recorded hidden layer that differs, in forward order.
    """

    samples: int
    ticks: int
    n_values: int
    n_wrong: int
    largest_error: float
    first: Difference | None
    first_hidden: Difference | None

    @property
    def agrees(self) -> bool:
        """True if every output value is as recorded."""
        return self.n_wrong == 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"agrees": self.agrees, **asdict(self)}

    def sentence(self, recording: str) -> str:
        """What to tell the user."""
        if self.first is None:
            return (
                f"all {self.n_values} output values of {self.samples} samples are as recorded in "
                f"{recording}"
            )
        where = self.first_hidden or self.first
        return (
            f"{self.n_wrong} of {self.n_values} output values differ from {recording}; the first "
            f"difference is in layer {where.layer!r}, tick {where.tick}, sample {where.sample}, "
            f"neuron {where.neuron}: recorded {where.recorded:g}, computed {where.computed:g}"
        )


def compare_with_recording(
    network: Network, path: Path, tolerance: float = TOLERANCE
) -> Comparison:
    """Run the float network on recorded inputs and compare.

    Raises InputFileError, naming file and reason, for a recording that cannot be used.
    """
    need_file(path)
    arrays = read_npz(path)
    expected = next((arrays[key] for key in ("spikes", "outputs") if key in arrays), None)
    if "x" not in arrays or expected is None:
        raise InputFileError(
            f"{path}: needs the arrays x (inputs) and spikes or outputs (what the framework put "
            f"out); it has {', '.join(arrays) or 'none'}."
        )
    try:
        x = checked_input(arrays["x"], network.input_shape)
    except InputFileError as error:
        raise InputFileError(f"{path}: {error}") from None
    hidden = [
        name
        for name in network.order
        if HIDDEN + name in arrays and isinstance(network.nodes[name], Neuron)
    ]
    trace = trace_float(network, x, nodes=hidden)
    output = _compared(path, network.output_name, expected, trace.outputs, tolerance)
    inner = None
    for name in hidden:
        inner = inner or _compared(path, name, arrays[HIDDEN + name], trace.Y[name], tolerance)[2]
    samples, ticks = x.shape[:2]
    n_wrong, largest, first = output
    return Comparison(samples, ticks, trace.outputs.size, n_wrong, largest, first, inner)


def _compared(
    path: Path,
    layer: str,
    expected: npt.NDArray[Any],
    found: npt.NDArray[np.float64],
    tolerance: float,
) -> tuple[int, float, Difference | None]:
    """Number of different values, largest error, first difference."""
    wanted = (*found.shape[:2], int(np.prod(found.shape[2:])))
    if (
        expected.dtype.kind not in "buif"
        or expected.shape[:2] != found.shape[:2]
        or expected.size != found.size
    ):
        raise InputFileError(
            f"{path}: the recording of {layer!r} has shape {expected.shape} and dtype "
            f"{expected.dtype}; needed: numbers, (samples, ticks, neurons) = {wanted}."
        )
    recorded = expected.reshape(wanted).astype(np.float64)
    computed = found.reshape(wanted)
    error = np.abs(recorded - computed)
    wrong = ~(error <= tolerance)
    largest = float(np.nanmax(error, initial=0.0))
    if not wrong.any():
        return 0, largest, None
    tick, sample, neuron = (int(i) for i in np.argwhere(wrong.transpose(1, 0, 2))[0])
    first = Difference(
        layer,
        sample,
        tick,
        neuron,
        float(recorded[sample, tick, neuron]),
        float(computed[sample, tick, neuron]),
    )
    return int(np.count_nonzero(wrong)), largest, first


def not_in_file(network: Network) -> str:
    """What the network's file may lack, as a sentence to append to another one."""
    lost = network.provenance.get("lost")
    return f" {lost}" if lost else ""


def verified(network: Network, path: Path, tolerance: float = TOLERANCE) -> Network:
    """The network, with the comparison in its provenance; InputFileError if a value differs."""
    found = compare_with_recording(network, path, tolerance)
    if not found.agrees:
        raise InputFileError(
            f"The network does not do what was recorded: {found.sentence(str(path))}. Another "
            "reading, or single choices of it, may be the one that it was trained with."
            + not_in_file(network)
        )
    said = {**network.provenance, "verified": {"recording": path.name, **found.as_dict()}}
    note = f"Verified: {found.sentence(path.name)}."
    return replace(network, provenance=said, assumptions=(*network.assumptions, note))
