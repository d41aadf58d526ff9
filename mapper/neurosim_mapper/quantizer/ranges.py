"""How far the potential of a neuron can go: a proven bound from its input and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neurosim_mapper.nodes import FloatArray, Neuron, Shape


@dataclass(frozen=True)
class NeuronParameters:
    """The float parameters of a layer, each (n_neurons,); `floor` is -inf where there is none."""

    threshold: FloatArray
    v_reset: FloatArray
    alpha: FloatArray
    beta: FloatArray
    rho: FloatArray
    rho_post: FloatArray
    v_start: FloatArray
    floor: FloatArray
    alpha_syn: FloatArray | None = None

    def scaled(self, unit: FloatArray) -> NeuronParameters:
        """The potentials in steps of `unit` (n_neurons,); the decay has no unit."""
        return NeuronParameters(
            self.threshold / unit,
            self.v_reset / unit,
            self.alpha,
            self.beta / unit,
            self.rho / unit,
            self.rho_post / unit,
            self.v_start / unit,
            self.floor / unit,
            self.alpha_syn,
        )


def parameters_of(neuron: Neuron, shape: Shape) -> NeuronParameters:
    """Parameters of a node spread over its layer."""

    def get(name: str) -> FloatArray:
        return neuron.parameter(name, shape).reshape(-1)

    n = int(np.prod(shape))
    return NeuronParameters(
        threshold=get("threshold"),
        v_reset=get("v_reset"),
        alpha=get("alpha"),
        beta=get("beta"),
        rho=get("rho"),
        rho_post=get("rho_post"),
        v_start=get("v_start"),
        floor=np.full(n, -np.inf) if neuron.floor is None else get("floor"),
        alpha_syn=None if neuron.alpha_syn is None else get("alpha_syn"),
    )


def current_bounds(
    alpha_syn: FloatArray, low: FloatArray, high: FloatArray, slack: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest synaptic state that an input of low..high per tick can cause.

    The state is the sum of ``alpha_syn**k`` times the input k ticks ago, starts at 0, and gains at
    most `slack` by rounding in each tick; infinite where it does not decay.
    """
    room = np.where(alpha_syn % 1 != 0, slack, 0.0)
    low, high = np.minimum(low, 0.0) - room, np.maximum(high, 0.0) + room
    size = np.maximum(-low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 / (1 - np.abs(alpha_syn))
        bound = [np.where(end == 0, 0.0, end * share) for end in (low, high, size)]
    grows = np.abs(alpha_syn) >= 1
    lowest = np.where(grows, np.where(low == 0, 0.0, -np.inf), bound[0])
    highest = np.where(grows, np.where(high == 0, 0.0, np.inf), bound[1])
    widest = np.where(grows, np.where(size == 0, 0.0, np.inf), bound[2])
    negative = alpha_syn < 0
    return np.where(negative, -widest, lowest), np.where(negative, widest, highest)


def potential_bounds(
    neuron: Neuron,
    p: NeuronParameters,
    drive_low: FloatArray,
    drive_high: FloatArray,
    slack: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest U that any input can cause, (n_neurons,) each; infinite if unbounded.

    With a >= 0 the potential after a tick is at most ``a * threshold + beta`` if the neuron did
    not fire, and at most the reset value, or ``a * U + beta - (a * rho + rho_post)``, if it did;
    the least fixed point of that recursion bounds V. A negative decay is bounded by magnitude.
    `slack` is added to beta in both directions where the decay is a fraction: room for rounding.
    The bound is safe, not tight.
    """
    room = np.where(p.alpha % 1 != 0, slack, 0.0)
    if neuron.silent_step:  # the drive of a tick may be dropped
        drive_low, drive_high = np.minimum(drive_low, 0.0), np.maximum(drive_high, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(
            p.alpha >= 0, _lower(neuron, replace(p, beta=p.beta - room), drive_low), -np.inf
        )
        high = np.where(
            p.alpha >= 0, _upper(neuron, replace(p, beta=p.beta + room), drive_high), np.inf
        )
        widened = replace(p, beta=np.abs(p.beta) + room)
        size = _magnitude(neuron, widened, np.maximum(np.abs(drive_low), np.abs(drive_high)))
    low = np.where(p.alpha < 0, -size, low)
    high = np.where(p.alpha < 0, size, high)
    low, high = np.maximum(low, p.floor), np.maximum(high, p.floor)
    low = np.minimum(low, p.v_start)  # the floor acts from the first tick on, not before
    return low + drive_low, high + drive_high


def _fixed_point(gain: FloatArray, step: FloatArray) -> FloatArray:
    """Where ``v' = gain * v + step`` stops growing; -inf if it never grows, inf if it runs away."""
    held = np.where((gain == 1) & (step <= 0), -np.inf, np.inf)
    return np.asarray(np.where(gain < 1, step / (1 - gain), held))


def highest_threshold(neuron: Neuron, p: NeuronParameters) -> FloatArray:
    """What a potential stays below without a spike, (n_neurons,)."""
    if neuron.reset != "soft_raised":
        return p.threshold
    return np.asarray(p.threshold + np.maximum(p.rho, 0))


def _upper(neuron: Neuron, p: NeuronParameters, drive: FloatArray) -> FloatArray:
    quiet = p.alpha * highest_threshold(neuron, p) + p.beta
    if neuron.reset == "hard":
        gain = neuron.n_max * np.minimum(p.rho_post, 0)
        quiet = np.maximum(quiet, p.alpha * p.v_reset + p.beta - gain)
        return np.asarray(np.maximum(p.v_start, quiet))
    rho = np.zeros_like(p.rho) if neuron.reset == "none" else p.rho
    loss = p.alpha * rho + p.rho_post
    loss = np.where(loss < 0, neuron.n_max * loss, loss)
    never = (loss == 0) | ~np.isfinite(p.threshold)
    grown = _fixed_point(p.alpha, p.alpha * drive + p.beta - loss)
    highest = np.where(never, grown, np.maximum(quiet, grown))
    return np.asarray(np.maximum(p.v_start, highest))


def _lower(neuron: Neuron, p: NeuronParameters, drive: FloatArray) -> FloatArray:
    fallen = -_fixed_point(p.alpha, -(p.alpha * drive + p.beta))
    if neuron.reset == "hard":
        fired = p.alpha * p.v_reset + p.beta - neuron.n_max * np.maximum(p.rho_post, 0)
        return np.asarray(np.minimum(np.minimum(p.v_start, fired), fallen))
    rho = np.zeros_like(p.rho) if neuron.reset == "none" else p.rho
    least = p.threshold
    if neuron.reset == "soft_raised":
        least = p.threshold + np.minimum(rho, 0)
    per_spike = p.alpha * (least - rho) - p.rho_post
    fired = p.beta + np.minimum(per_spike, neuron.n_max * per_spike)
    return np.asarray(np.minimum(np.minimum(p.v_start, fired), fallen))


def _magnitude(neuron: Neuron, p: NeuronParameters, drive: FloatArray) -> FloatArray:
    gain = np.abs(p.alpha)
    loss = neuron.n_max * (gain * np.abs(p.rho) + np.abs(p.rho_post))
    step = gain * drive + np.abs(p.beta) + loss
    reset = gain * np.abs(p.v_reset) + np.abs(p.beta) + loss
    return np.asarray(np.maximum(np.maximum(np.abs(p.v_start), reset), _fixed_point(gain, step)))
