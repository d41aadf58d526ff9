"""One view of a run for pages and pictures, whether it has just ended or lies in a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.cost.core_facts import CoreFacts, core_facts
from neurosim.cost.counters import Counters
from neurosim.cost.network_stats import NetworkStats

if TYPE_CHECKING:
    from neurosim.results import RunFolder
    from neurosim.run.simulator import Run

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RunView:
    """What pages and pictures are made from; arrays as in `neurosim.results.RunFolder`."""

    chip: Chip
    report: Mapping[str, Any]
    counters: Counters
    outputs: I32
    labels: I64 | None
    network: NetworkStats | None
    values: Mapping[str, I32]
    membrane: Mapping[str, I32]
    cores: CoreFacts | None
    shown: Mapping[str, I64] = field(default_factory=dict)  # chosen neurons by layer, ascending

    @property
    def layer_names(self) -> list[str]:
        """In forward order."""
        return [str(layer["name"]) for layer in self.report["program"]["layers"]]

    @property
    def samples(self) -> int:
        """At least 1, to divide by."""
        return max(1, self.counters.n_samples)

    @property
    def predictions(self) -> I64:
        """(n_samples,) class with the largest read-out."""
        from neurosim.run.simulator import predict

        return predict(self.outputs, str(self.report["program"]["readout"]))


def view_of_run(run: Run, shown: Mapping[str, I64] | None = None) -> RunView:
    """The view of a run that has just ended; `shown` are chosen neurons by layer."""
    return RunView(
        chip=run.program.chip,
        report=run.report().to_dict(),
        counters=run.counters,
        outputs=run.outputs,
        labels=run.labels,
        network=run.network,
        values=run.values,
        membrane=run.membrane,
        cores=core_facts(run.program, run.counters),
        shown=shown or {},
    )


def view_of_folder(folder: RunFolder) -> RunView:
    """The view of a run folder."""
    return RunView(
        chip=folder.chip,
        report=folder.report,
        counters=folder.counters,
        outputs=folder.outputs,
        labels=folder.labels,
        network=folder.network,
        values=folder.values,
        membrane=folder.membrane,
        cores=folder.cores,
        shown=folder.shown,
    )
