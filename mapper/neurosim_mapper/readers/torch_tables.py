"""Activations of torch modules that have no name on a chip: tables of 256 values.

Enters: functions, by layer, and the potentials that they met while the module ran. Leaves: neurons
with the activation "table", and a sentence for each about what that table assumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import UnsupportedError, UsageError
from neurosim_mapper.nodes import TABLE_SIZE, Neuron, Node
from neurosim_mapper.readers.torch_neurons import activation_of

MARGIN: Final = 2.0  # a table reaches so many times as far as the sample did


@dataclass
class Tables:
    """What is known about the activations while a module runs.

    Attributes
    ----------
    given : by layer, what replaces its own function.
    reach : by layer, the largest potential that its function met.
    functions : by node, the layer and the function that its table will hold.
    """

    given: Mapping[str, Any]
    reach: dict[str, float] = field(default_factory=dict)
    functions: dict[str, tuple[str, Callable[[Any], Any]]] = field(default_factory=dict)
    undo: list[Callable[[], None]] = field(default_factory=list)

    def watch(self, layers: Mapping[str, Any]) -> None:
        """From now on, note what the functions of LIAF layers meet.

        Raises UsageError if a replacement is for a layer that does not exist.
        """
        strange = [name for name in self.given if name not in layers]
        if strange:
            raise UsageError(
                f"activations names the layer {strange[0]!r}; known: {', '.join(layers)}."
            )
        for name, layer in layers.items():
            act: Any = getattr(layer, "act", None)
            if hasattr(act, "register_forward_pre_hook"):
                hook = act.register_forward_pre_hook(self._hook(name))
                self.undo.append(hook.remove)
            elif callable(act):
                layer.act = self._noting(name, act)
                self.undo.append(partial(setattr, layer, "act", act))

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(_: Any, arguments: Any) -> None:
            self.met(name, arguments)

        return hook

    def _noting(self, name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            self.met(name, arguments)
            return act(*arguments)

        noting.__name__ = getattr(act, "__name__", type(act).__name__)
        noting.function = act  # type: ignore[attr-defined]
        return noting

    def met(self, name: str, arguments: Any) -> None:
        """A function has been called."""
        values: Any = next(iter(arguments), None)
        if hasattr(values, "abs") and values.numel():
            self.reach[name] = max(self.reach.get(name, 0.0), float(values.abs().max()))

    def stop(self) -> None:
        """Put everything back."""
        for step in self.undo:
            step()

    def settle(self, name: str, node: str, neuron: Neuron, own: Any) -> Neuron:
        """The neuron of a layer with the activation that it is to have, or will have."""
        wanted = self.given.get(name, getattr(own, "function", own))
        if isinstance(wanted, tuple) and len(wanted) == 2:
            table, step = wanted
            values = np.asarray(table, dtype=np.float64)
            return replace(neuron, activation="table", table=values, table_step=float(step))
        if not callable(wanted):
            raise UsageError(
                f"activations gives the layer {name!r} a {type(wanted).__name__}; needed: a "
                f"callable, or {TABLE_SIZE} values and the step between them."
            )
        known = activation_of(wanted)
        if known is None:
            self.functions[node] = (name, wanted)
            return neuron
        return replace(neuron, activation=known)

    def finish(self, nodes: dict[str, Node]) -> tuple[str, ...]:
        """Put the tables in; one sentence for each.

        Raises UnsupportedError for a function that does not work on single values, UsageError if
        the sample was all zeros there.
        """
        notes = []
        for node, (name, function) in self.functions.items():
            neuron = nodes[node]
            assert isinstance(neuron, Neuron)
            reach = MARGIN * self.reach.get(name, 0.0)
            if not 0 < reach < np.inf:
                raise UsageError(
                    f"The activation of layer {name!r} becomes a table, but met nothing but zeros. "
                    "Give a sample_input with typical values over several ticks, or the table."
                )
            found = table_of(function, reach)
            if found is None:
                raise UnsupportedError(
                    f"Layer {name!r}: its activation cannot be called on single values, or gives "
                    "values that are not finite; only such functions become a table."
                )
            nodes[node] = replace(neuron, activation="table", table=found[0], table_step=found[1])
            notes.append(
                f"The activation of layer {name!r} is a table of {TABLE_SIZE} values for "
                f"potentials from {-reach:.4g} to {reach:.4g}, twice what the sample reached; "
                "beyond, it keeps its outermost values."
            )
        return tuple(notes)


def table_of(
    function: Callable[[Any], Any], reach: float
) -> tuple[npt.NDArray[np.float64], float] | None:
    """An activation at the 256 potentials from -reach on, and the step between them.

    None if the function cannot be called so, or does not work on single values.
    """
    import torch

    step = reach / 128
    points = torch.arange(-128, 128, dtype=torch.float64) * step
    try:
        with torch.no_grad():
            values = np.asarray(function(points), dtype=np.float64)
            again = np.asarray(function(points[64:96]), dtype=np.float64)
    except Exception:  # it is the user's own code
        return None
    whole = values.shape == (256,) and np.isfinite(values).all()
    return (values, step) if whole and np.array_equal(values[64:96], again) else None
