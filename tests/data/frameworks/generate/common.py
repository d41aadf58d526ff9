"""Digits, encoders, training and files: what the generating scripts of all frameworks share.

A script hands in :class:`Case` objects: a module, how to run it and what is known about it. Out
comes one group of files per case, described in ``tests/data/frameworks/README.md``. The data are
the 8x8 digits of scikit-learn; a seed fixes the split, the weights at the start and the order of
the samples.
"""

from __future__ import annotations

import json
import platform
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

N_RECORDED = 24
N_ACCURACY = 200
LEVELS = 16  # the digits have grey levels 0..16

Run = Callable[[nn.Module, torch.Tensor], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Case:
    """One network to train, export and record.

    Attributes
    ----------
    name
        File name without suffix.
    net
        The module, with the weights of the start.
    run
        ``run(net, x)`` with ``x`` of shape (samples, ticks, *shape); returns the output of every
        neuron layer, (samples, ticks, *layer shape), in order; the last is the network's.
    layers
        Description of the layers, first to last, made after training.
    export
        ``export(net, x)`` with one sample ``x`` of shape (ticks, *shape) returns the NIR graph.
        None where the framework has no exporter to try.
    export_call
        The call as a user writes it.
    reading
        How the NIR file has to be read.
    code
        ``"repeat"``: level / 16 in every tick; ``"rate"``: evenly spaced spikes.
    lost
        What the network does and its NIR file does not say.
    variants
        More checkpoint files: ``safetensors``, ``wrapped``, ``optimizer``, ``legacy``, ``module``.
    as_written
        Keep the NIR file byte by byte; the others are repacked, see :func:`repack`.
    more_exports
        More NIR files, by the suffix of their names.
    """

    name: str
    net: nn.Module
    run: Run
    layers: Callable[[nn.Module], list[dict[str, Any]]]
    export: Callable[[nn.Module, torch.Tensor], nir.NIRGraph] | None
    export_call: str
    reading: Mapping[str, Any]
    words: str
    code: str = "repeat"
    n_ticks: int = 8
    image: tuple[int, ...] = (64,)
    n_epochs: int = 12
    learning_rate: float = 5e-3
    dtype: torch.dtype = torch.float32
    seed: int = 0
    lost: Sequence[str] = ()
    notes: Sequence[str] = ()
    variants: Sequence[str] = ()
    as_written: bool = False
    trainable: Callable[[nn.Module], list[torch.Tensor]] = lambda net: list(net.parameters())
    more_exports: Mapping[str, Callable[[nn.Module, torch.Tensor], nir.NIRGraph]] = field(
        default_factory=dict
    )


def encode(levels: np.ndarray, code: str, n_ticks: int) -> np.ndarray:
    """Turn grey levels into inputs.

    Parameters
    ----------
    levels : (n_samples, *shape) integers 0..16
    code
        ``"repeat"`` or ``"rate"``.

    Returns
    -------
    (n_samples, n_ticks, *shape), float32 for ``repeat``, uint8 (0 or 1) for ``rate``: a spike in
    tick t if floor(level (t + 1) / 16) exceeds floor(level t / 16).
    """
    if code == "repeat":
        still = (levels / LEVELS).astype(np.float32)
        return np.repeat(still[:, None], n_ticks, axis=1)
    if code == "rate":
        tick = np.arange(n_ticks).reshape((1, n_ticks) + (1,) * (levels.ndim - 1))
        wide = levels[:, None].astype(np.int64)
        return (wide * (tick + 1) // LEVELS - wide * tick // LEVELS).astype(np.uint8)
    raise ValueError(f"code {code!r}: known codes are 'repeat' and 'rate'.")


def split(image: tuple[int, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return training, recorded and accuracy samples as (levels, labels), the same in every run."""
    digits = load_digits()
    order = np.random.default_rng(20240501).permutation(len(digits.target))
    levels = digits.images[order].astype(np.int64).reshape((-1, *image))
    labels = digits.target[order].astype(np.uint8)
    stops = (N_RECORDED, N_RECORDED + N_ACCURACY)
    parts = {
        "recorded": slice(0, stops[0]),
        "accuracy": slice(stops[0], stops[1]),
        "train": slice(stops[1], None),
    }
    return {name: (levels[part], labels[part]) for name, part in parts.items()}


def watch(
    net: nn.Module, names: Sequence[str], forward: Callable[[], object]
) -> dict[str, list[torch.Tensor]]:
    """Call ``forward`` and collect what the named modules put out, call by call."""
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in names}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            seen[name].append(output[0] if isinstance(output, tuple) else output)

        return keep

    handles = [net.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        forward()
    finally:
        for handle in handles:
            handle.remove()
    return seen


def scale_weights(net: nn.Module, factor: float) -> nn.Module:
    """Multiply the weights of dense and convolution layers, so that neurons fire at the start."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
                module.weight *= factor
    return net


def output_of(case: Case, x: np.ndarray) -> dict[str, np.ndarray]:
    """Run the trained network; (n_samples, n_ticks, *layer shape) per neuron layer."""
    case.net.eval()
    with torch.no_grad():
        outputs = case.run(case.net, torch.as_tensor(x).to(case.dtype))
    return {name: value.cpu().numpy() for name, value in outputs.items()}


def decide(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Class of each sample: largest sum over the ticks, the lowest index where sums are equal."""
    last = list(outputs.values())[-1].astype(np.float64)
    return last.reshape(*last.shape[:2], -1).sum(axis=1).argmax(axis=1)


def train(case: Case) -> float:
    """Train with cross-entropy on summed outputs; return the accuracy on the training samples."""
    levels, labels = split(case.image)["train"]
    x = torch.as_tensor(encode(levels, case.code, case.n_ticks)).to(case.dtype)
    y = torch.as_tensor(labels.astype(np.int64))
    parameters = [p for p in case.trainable(case.net) if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=case.learning_rate)
    shuffle = torch.Generator().manual_seed(case.seed)
    case.net.train()
    for _ in range(case.n_epochs):
        for part in torch.randperm(len(y), generator=shuffle).split(64):
            optimizer.zero_grad()
            last = list(case.run(case.net, x[part]).values())[-1]
            nn.functional.cross_entropy(last.flatten(2).sum(dim=1), y[part]).backward()
            optimizer.step()
    seen = output_of(case, encode(levels, case.code, case.n_ticks))
    return float((decide(seen) == labels).mean())


def compact(values: np.ndarray) -> np.ndarray:
    """Store spike counts as uint8 and keep everything else as it is."""
    whole = values.astype(np.uint8)
    return whole if np.array_equal(whole.astype(values.dtype), values) else values


def save_inputs(case: Case, folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """Write the accuracy samples, shared by all networks with the same input; return them."""
    shape = "x".join(str(size) for size in case.image)
    path = folder / f"{case.code}_{case.n_ticks}_ticks_{shape}.npz"
    levels, labels = split(case.image)["accuracy"]
    x = encode(levels, case.code, case.n_ticks)
    folder.mkdir(exist_ok=True)
    np.savez_compressed(path, x=x, y=labels)
    return path, x, labels


def save_recording(case: Case, path: Path) -> tuple[float, dict[str, float]]:
    """Write ``x, y, spikes, spikes_<layer>, accuracy*``; return accuracy and mean outputs."""
    parts = split(case.image)
    _, accuracy_x, accuracy_y = save_inputs(case, path.parent.parent / "inputs")
    decisions = decide(output_of(case, accuracy_x))
    accuracy = float((decisions == accuracy_y).mean())
    levels, labels = parts["recorded"]
    x = encode(levels, case.code, case.n_ticks)
    outputs = output_of(case, x)  # last, so that left-over states belong to these samples
    names = list(outputs)
    arrays = {"x": x, "y": labels, "spikes": compact(outputs[names[-1]])}
    hidden = {f"spikes_{name}": compact(outputs[name]) for name in names[:-1]}
    arrays |= {name: values for name, values in hidden.items() if values.nbytes < 100_000}
    arrays |= {"accuracy": np.float64(accuracy), "accuracy_decisions": decisions.astype(np.uint8)}
    np.savez_compressed(path, **arrays)
    return accuracy, {name: float(np.mean(value)) for name, value in outputs.items()}


def repack(path: Path) -> None:
    """Write the same groups and datasets again in HDF5's compact format, a quarter of the size.

    Names, shapes, types, values and filters stay; only the file's inner bookkeeping differs.
    """
    slim = path.with_suffix(".slim")
    with h5py.File(path) as source, h5py.File(slim, "w", libver="latest") as target:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                target.create_group(name)
            else:
                target.create_dataset(
                    name,
                    data=item[()],
                    dtype=item.dtype,
                    compression=item.compression,
                    compression_opts=item.compression_opts,
                    chunks=item.chunks,
                )

        source.visititems(copy)
    slim.replace(path)


def save_graph(graph: nir.NIRGraph, path: Path, as_written: bool) -> None:
    """Write a NIR file and read it back, once with and, if that fails, once without checks."""
    nir.write(str(path), graph)
    if not as_written:
        repack(path)
    try:
        nir.read(str(path))
    except Exception:  # the old format refuses some of its own files
        nir.read(str(path), type_check=False)


def try_export(case: Case, folder: Path) -> dict[str, Any]:
    """Export in the framework's own way; the failure's text is a result, too."""
    result: dict[str, Any] = {"call": case.export_call, "lost": list(case.lost)}
    if case.export is None:
        return result | {"status": "not attempted"}
    sample = encode(split(case.image)["recorded"][0][:1], case.code, case.n_ticks)[0]
    tensor = torch.as_tensor(sample).to(case.dtype)
    for suffix, export in {"": case.export, **case.more_exports}.items():
        path = folder / f"{case.name}{suffix}.nir"
        try:
            with torch.no_grad():
                save_graph(export(case.net, tensor), path, case.as_written)
        except Exception as problem:
            path.unlink(missing_ok=True)
            where = traceback.extract_tb(problem.__traceback__)[-1]
            text = " ".join(str(problem).split())[:600]
            result |= {
                "status": "failed",
                "error": f"{type(problem).__name__}: {text}",
                "raised_in": f"{Path(where.filename).parent.name}/{Path(where.filename).name}",
            }
            return result
    return result | {"status": "ok"}


def clean_state(net: nn.Module) -> dict[str, torch.Tensor]:
    """Copy the state_dict, detached and contiguous, as ``save_file`` wants it."""
    return {
        key: value.detach().clone().contiguous()
        for key, value in net.state_dict().items()
        if isinstance(value, torch.Tensor)
    }


def save_checkpoints(case: Case, folder: Path) -> list[str]:
    """Write the state_dict and the asked variants; return the file names."""
    plain = folder / f"{case.name}.pt"
    torch.save(case.net.state_dict(), plain)
    names = [plain.name]
    state = clean_state(case.net)
    for variant in case.variants:
        path = folder / f"{case.name}_{variant}.pt"
        if variant == "safetensors":
            path = folder / f"{case.name}.safetensors"
            save_file(state, path)
            path.chmod(0o644)
        elif variant == "wrapped":
            prefixed = {f"module.{key}": value for key, value in state.items()}
            torch.save({"epoch": case.n_epochs, "accuracy": 0.9, "state_dict": prefixed}, path)
        elif variant == "optimizer":
            optimizer = torch.optim.SGD(case.net.parameters(), lr=0.1, momentum=0.9)
            wrapped = {"net": state, "optimizer": optimizer.state_dict(), "epoch": case.n_epochs}
            torch.save(wrapped, path)
        elif variant == "legacy":
            torch.save(state, path, _use_new_zipfile_serialization=False)
        elif variant == "module":
            torch.save(case.net, path)
        else:
            raise ValueError(f"variant {variant!r} is not known.")
        names.append(path.name)
    return names


def write_case(case: Case, folder: Path, framework: str) -> None:
    """Train one case and write its files.

    The recording comes before the export (which runs the network, too) and before the state_dict,
    so that state buffers left over from the recording are stored as a user's file has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    train_accuracy = train(case)
    accuracy, means = save_recording(case, folder / f"{case.name}.npz")
    files = [f"{case.name}.npz", *save_checkpoints(case, folder)]
    export = try_export(case, folder)
    files += sorted(
        path.name
        for path in folder.glob(f"{case.name}*.nir")
        if path.stem.removeprefix(case.name) in ("", *case.more_exports)
    )
    record = {
        "network": case.name,
        "words": case.words,
        "framework": framework,
        "versions": {
            name: version(name) for name in (framework, "nir", "nirtorch", "torch", "numpy")
        }
        | {"python": platform.python_version()},
        "seed": case.seed,
        "dtype": str(case.dtype).removeprefix("torch."),
        "input": {"code": case.code, "ticks": case.n_ticks, "shape": list(case.image)},
        "accuracy_inputs": f"inputs/{save_inputs(case, folder.parent / 'inputs')[0].name}",
        "decision": "argmax of the sum over ticks, lowest index where sums are equal",
        "train_accuracy": round(train_accuracy, 4),
        "accuracy": accuracy,
        "mean_output": {name: round(value, 4) for name, value in means.items()},
        "layers": case.layers(case.net),
        "reading": dict(case.reading),
        "export": export,
        "notes": list(case.notes),
        "files": sorted(files),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (folder / f"{case.name}.json").write_text(text + "\n", encoding="utf-8")
    print(
        f"{framework}/{case.name}: train {train_accuracy:.3f}, accuracy {accuracy:.3f}, "
        f"means {means}, export {export.get('error', export['status'])[:120]}"
    )


def write_cases(
    builders: Mapping[str, Callable[[], Case]], folder: Path, framework: str, only: Sequence[str]
) -> None:
    """Write all cases, or those named in ``only``."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for name, build in builders.items():
        if not only or name in only:
            torch.manual_seed(0)
            write_case(build(), folder, framework)


def number_or_list(value: Any) -> float | list[Any]:
    """Return a parameter as JSON: a float, or nested lists where it differs between neurons."""
    array = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value, np.float64)
    if array.ndim == 0 or (array.size and np.all(array == array.flat[0])):
        return float(array.flat[0])
    return array.tolist()


def structural(name: str, module: nn.Module) -> dict[str, Any] | None:
    """Describe a PyTorch layer without neurons; None for anything else."""
    keys = {"weight": f"{name}.weight"}
    if getattr(module, "bias", None) is not None:
        keys["bias"] = f"{name}.bias"
    if isinstance(module, nn.Linear):
        return {"name": name, "kind": "linear", "keys": keys}
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        return {
            "name": name,
            "kind": "conv1d" if isinstance(module, nn.Conv1d) else "conv2d",
            "keys": keys,
            "stride": list(module.stride),
            "padding": module.padding if isinstance(module.padding, str) else list(module.padding),
            "dilation": list(module.dilation),
            "groups": module.groups,
        }
    if isinstance(module, nn.BatchNorm2d):
        keys |= {"mean": f"{name}.running_mean", "variance": f"{name}.running_var"}
        return {"name": name, "kind": "batch_norm", "keys": keys, "eps": module.eps}
    for kind, cls in (("avg_pool", nn.AvgPool2d), ("max_pool", nn.MaxPool2d)):
        if isinstance(module, cls):
            return {
                "name": name,
                "kind": kind,
                "kernel": module.kernel_size,
                "stride": module.stride,
                "padding": module.padding,
            }
    if isinstance(module, nn.Flatten):
        return {"name": name, "kind": "flatten"}
    return None
