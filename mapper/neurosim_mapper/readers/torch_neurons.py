"""Neuron modules of other frameworks, told by class name and attributes: their step equation.

The frameworks need not be installed; what a class is called and where it comes from decides which
attributes are read. Sources are their step equations (snnTorch 1.0, SpikingJelly 2.0, Norse 1.1,
Sinabs 3.1, Rockpool 3.1); what these classes can do and the soma cannot is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from neurosim.errors import UnsupportedError
from neurosim_mapper.nodes import Conv, FloatArray, Linear, Node, Scale
from neurosim_mapper.readers.equation import Equation
from neurosim_mapper.readers.readings import settled_timing

Found = tuple[Equation, Node | None]  # and the connection of the layer to itself


def _numbers(value: Any) -> FloatArray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def _refuse(module: Any, what: str) -> UnsupportedError:
    return UnsupportedError(f"{type(module).__name__} with {what} cannot be expressed.")


def framework_of(module: Any) -> str | None:
    """Framework of a neuron module; None for everything else."""
    names = [kind.__name__ for kind in type(module).__mro__]
    origin = type(module).__module__.partition(".")[0]
    for framework, (classes, mark) in _KNOWN.items():
        if hasattr(module, mark) and any(name in classes for name in names):
            if origin in _KNOWN and origin != framework:
                continue
            return framework
    return None


def kind_of(module: Any) -> str:
    """The class that decides, the nearest known one for a subclass."""
    known = {name for classes, _ in _KNOWN.values() for name in classes}
    return next(kind.__name__ for kind in type(module).__mro__ if kind.__name__ in known)


def equation_of(module: Any) -> Found:
    """Equation and recurrent connection of a neuron module.

    Raises UnsupportedError, naming the class, for what the soma cannot do.
    """
    framework = framework_of(module)
    if framework is None:
        raise UnsupportedError(f"{type(module).__name__} is no neuron that neurosim knows.")
    return _READERS[framework](module, kind_of(module))


def _snntorch(module: Any, kind: str) -> Found:
    if getattr(module, "inhibition", False) or getattr(module, "state_quant", False):
        raise _refuse(module, "inhibition or state_quant")
    reset = {0: "soft", 1: "hard", 2: "none"}[int(_numbers(module.reset_mechanism_val))]
    current_based, recurrent = kind.endswith("Synaptic"), kind.startswith("R")
    timing = "snntorch" if getattr(module, "reset_delay", True) else "snntorch_no_delay"
    gain: Any = 1.0
    decay = np.clip(_numbers(module.beta), 0, 1)
    if kind == "Lapicque":  # an RC circuit
        gain = _numbers(module.time_step) / _numbers(module.C)
        decay = 1 - gain / _numbers(module.R)
    equation = Equation(
        decay=decay,
        gain=gain,
        threshold=_numbers(module.threshold),
        compare=">",
        reset=reset,  # type: ignore[arg-type]
        # A Lapicque neuron, too, loses the input of the tick after a reset to zero.
        reset_timing=settled_timing(
            timing,
            reset,
            current_based or kind == "Lapicque",
            recurrent,
            _numbers(module.threshold),
        ),
        output_factor=float(_numbers(module.graded_spikes_factor)),
        syn_decay=np.clip(_numbers(module.alpha), 0, 1) if current_based else None,
    )
    back = getattr(module, "recurrent", None) if recurrent else None
    return equation, None if back is None else _connection(back)


def _connection(module: Any) -> Node:
    """A module that leads from a layer to itself; a chain may hold one layer and no-ops."""
    parts = [m for m in module.children() if type(m).__name__ not in ("Identity", "Dropout")]
    if len(parts) == 1:
        return _connection(parts[0])
    if not any(hasattr(module, name) for name in ("V", "weight")):
        raise UnsupportedError(
            f"A recurrent connection by {type(module).__name__} cannot be expressed; one Linear or "
            "convolution can."
        )
    if hasattr(module, "V"):
        return Scale(_numbers(module.V))
    bias = None if getattr(module, "bias", None) is None else _numbers(module.bias)
    weight = _numbers(module.weight)
    if weight.ndim == 2:
        return Linear(weight, bias)
    if isinstance(module.padding, str):
        padding = tuple((n // 2, (n - 1) // 2) for n in weight.shape[2:])
    else:
        padding = tuple((int(p), int(p)) for p in module.padding)
    return Conv(weight, bias, tuple(module.stride), padding, tuple(module.dilation), module.groups)


def _spikingjelly(module: Any, kind: str) -> Found:
    v_reset = module.v_reset
    rest = 0.0 if v_reset is None else float(v_reset)
    settings: dict[str, Any] = {
        "threshold": _numbers(module.v_threshold),
        "reset": "soft" if v_reset is None else "hard",
        "reset_value": rest,
        "v_start": rest,
    }
    if kind in ("IFNode", "SimpleIFNode"):
        return Equation(1.0, **settings), None
    if kind == "CUBALIFNode":
        syn_decay = _numbers(module.c_decay)
        return Equation(_numbers(module.v_decay), syn_decay=syn_decay, **settings), None
    rate = _numbers(1 / (1 + np.exp(-_numbers(module.w)))) if kind == "ParametricLIFNode" else None
    rate = 1 / _numbers(module.tau) if rate is None else rate
    gain = rate if module.decay_input else np.asarray(1.0)
    if kind == "LIAFNode" and _applies_its_activation(module):
        # Another function is put in as a table later, when its range is known.
        settings["activation"] = activation_of(module.act) or "identity"
        settings["threshold_related"] = bool(module.threshold_related)
    return Equation(1 - rate, gain, rate * rest, **settings), None


def _applies_its_activation(module: Any) -> bool:
    """Whether a LIAFNode puts out values: in SpikingJelly 2.0's multi-step mode it gives spikes.

    Both modes are tried, without hooks; the potential is lost.
    """
    import torch

    if getattr(module, "step_mode", "s") == "s":
        return True
    x = float(_numbers(module.v_threshold).max()) * torch.tensor([[-7.0, -0.5, 0.5, 7.0, 90.0]])
    forward = type(module).forward
    with torch.no_grad(), torch._C.DisableTorchFunction():
        module.reset()
        given = forward(module, x[None])[0]
        module.reset()
        module.step_mode = "s"
        expected = forward(module, x)
        module.step_mode = "m"
        module.reset()
        return bool(torch.allclose(given, expected))


ACTIVATION_NAMES: Final = {
    "relu": "relu",
    "selu": "selu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "identity": "identity",
}


def activation_of(function: Any) -> Any:
    """Name of an activation given as function or module; None for one that needs a table."""
    name = getattr(function, "__name__", type(function).__name__).lower()
    return ACTIVATION_NAMES.get(name)


def _norse(module: Any, kind: str) -> Found:
    p, dt = module.p, float(module.dt)
    reset_method = getattr(getattr(p, "reset_method", None), "__name__", "reset_value")
    if reset_method not in ("reset_value", "reset_subtract"):
        raise _refuse(module, f"the reset method {reset_method!r}")
    firing: dict[str, Any] = {}
    if not kind.startswith("LI") or kind.startswith("LIF"):
        firing = {
            "threshold": _numbers(p.v_th),
            "compare": ">",
            "reset": "soft" if reset_method == "reset_subtract" else "hard",
            "reset_value": _numbers(p.v_reset),
        }
    if kind.startswith("IAF"):
        return Equation(1.0, v_start=_numbers(p.v_reset), **firing), None
    rate, leak = dt * _numbers(p.tau_mem_inv), _numbers(p.v_leak)
    if "Box" not in kind:
        firing["syn_decay"] = 1 - dt * _numbers(p.tau_syn_inv)
    equation = Equation(1 - rate, rate, rate * leak, v_start=leak, **firing)
    back = getattr(module, "recurrent_weights", None)
    return equation, None if back is None else Linear(_numbers(back))


def _sinabs(module: Any, kind: str) -> Found:
    trained = bool(getattr(module, "train_alphas", False))
    tau_syn = getattr(module, "alpha_syn" if trained else "tau_syn", None)
    if kind.startswith("IAF"):
        decay = np.asarray(1.0)
    elif trained:
        decay = _numbers(module.alpha_mem)
    else:
        decay = np.exp(-1 / _numbers(module.tau_mem))
    norm = bool(getattr(module, "norm_input", False)) and not kind.startswith("IAF")
    settings: dict[str, Any] = {"gain": 1 - decay if norm else np.asarray(1.0)}
    if tau_syn is not None:
        value = _numbers(tau_syn)
        settings["syn_decay"] = value if trained else np.exp(-1 / value)
        settings["syn_update"] = "add_then_decay"
    if module.min_v_mem is not None:
        settings["v_min"] = _numbers(module.min_v_mem)
    if getattr(module, "spike_fn", None) is not None and not kind.startswith("ExpLeak"):
        settings |= _sinabs_firing(module)
    back = getattr(module, "rec_connect", None)
    return Equation(decay, **settings), None if back is None else _connection(back)


def _sinabs_firing(module: Any) -> dict[str, Any]:
    spikes, reset = module.spike_fn, module.reset_fn
    name = getattr(spikes, "__name__", type(spikes).__name__)
    limits = {"SingleSpike": 1, "MultiSpike": None}
    if name not in limits and not hasattr(spikes, "max_num_spikes_per_bin"):
        raise _refuse(module, f"the spike function {name!r}")
    found: dict[str, Any] = {
        "threshold": _numbers(module.spike_threshold),
        "max_spikes": limits.get(name, getattr(spikes, "max_num_spikes_per_bin", None)),
    }
    if hasattr(reset, "subtract_value"):
        found["reset"] = "soft"
        if reset.subtract_value is not None:
            found["subtract"] = float(reset.subtract_value)
    elif hasattr(reset, "reset_value"):  # added to all neurons, not only to those that fired
        found |= {"reset": "hard", "reset_add_all": float(reset.reset_value)}
    else:
        raise _refuse(module, f"the reset function {type(reset).__name__!r}")
    return found


def _rockpool(module: Any, kind: str) -> Found:
    if _numbers(getattr(module, "noise_std", 0.0)).any():
        raise _refuse(module, "noise_std")
    if kind == "ExpSynTorch":
        decay = np.exp(-float(module.dt) / _numbers(module.tau))
        return Equation(decay, decay), None
    settings: dict[str, Any] = {
        "constant": _numbers(module.bias),
        "threshold": _numbers(module.threshold),
        "reset": "soft",
        "max_spikes": int(_numbers(module.max_spikes_per_dt)),
    }
    if kind == "LIFNeuronTorch":
        return Equation(np.exp(-float(module.dt) / _numbers(module.tau_mem)), **settings), None
    beta = _numbers(module.beta)
    if module.n_synapses == 1:
        settings["syn_decay"] = beta.reshape(-1) if beta.ndim else beta
    else:  # one column each
        shape = (int(module.size_out), int(module.n_synapses))
        settings["syn_decay"] = np.broadcast_to(beta, shape)
    back = _numbers(module.w_rec)
    equation = Equation(_numbers(module.alpha), syn_update="add_then_decay", **settings)
    return equation, Linear(back.T) if back.any() else None


# Names of the classes, and an attribute that they must have.
_KNOWN: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "snntorch": (
        ("Leaky", "RLeaky", "Synaptic", "RSynaptic", "Lapicque"),
        "reset_mechanism_val",
    ),
    "spikingjelly": (
        (
            *("IFNode", "LIFNode", "ParametricLIFNode", "LIAFNode", "CUBALIFNode"),
            *("SimpleIFNode", "SimpleLIFNode"),
        ),
        "v_threshold",
    ),
    "norse": (
        (
            *("LIFBoxCell", "LIBoxCell", "LIFCell", "LIF", "LIFRecurrentCell", "IAFCell", "IAF"),
            *("LIFRecurrent", "LICell", "LI"),
        ),
        "p",
    ),
    "sinabs": (
        (
            *("LIF", "LIFSqueeze", "LIFRecurrent", "LIFRecurrentSqueeze", "IAF", "IAFSqueeze"),
            *("IAFRecurrent", "ExpLeak", "ExpLeakSqueeze"),
        ),
        "min_v_mem",
    ),
    "rockpool": (("LIFTorch", "LIFNeuronTorch", "ExpSynTorch"), "dt"),
}
_READERS: Final[dict[str, Callable[[Any, str], Found]]] = {
    "snntorch": _snntorch,
    "spikingjelly": _spikingjelly,
    "norse": _norse,
    "sinabs": _sinabs,
    "rockpool": _rockpool,
}
