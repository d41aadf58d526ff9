"""Trained numbers without an architecture: what ``.pt``, ``.safetensors`` and ``.npz`` files hold.

Enters: a file of any of these formats. Leaves: a `StateDict`, tensors by name. Wrapped checkpoints
(the state dict under a key, beside optimizer, epoch and accuracy) are unwrapped and prefixes that
wrappers add to every name are removed; both is said in `notes`.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError, UnsupportedError
from neurosim.files.needed import ZIP_ERRORS, damaged_zip
from neurosim_mapper.readers.npz_file import read_npz
from neurosim_mapper.readers.safetensors_file import looks_like_safetensors, read_safetensors
from neurosim_mapper.readers.torch_file import Opaque, read_torch_file

Format = Literal["torch", "safetensors", "npz"]

PREFIXES: Final = ("module.", "_orig_mod.", "model.", "net.", "network.")
ALWAYS: Final = ("module.", "_orig_mod.")
USUAL_KEYS: Final = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "ema")
NOT_WEIGHTS: Final = ("optim", "sched", "scaler", "args", "config", "rng")
# What frameworks leave in a state dict although it is the state of the last sample or a counter.
STALE: Final = frozenset(
    {"v_mem", "i_syn", "mem", "syn", "spk", "vmem", "isyn", "spikes", "num_batches_tracked", "v"}
)
MAX_ENTRIES: Final = 100_000
_OLD_TORCH: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


@dataclass(frozen=True)
class StateDict:
    """Tensors by name, in the order of the file; `notes` are sentences on what was left out."""

    format: Format
    tensors: dict[str, npt.NDArray[Any]]
    notes: tuple[str, ...] = ()

    def is_state(self, name: str) -> bool:
        """Whether a tensor is left from the last run and no parameter."""
        return name.rpartition(".")[2] in STALE


def state_format(path: Path) -> Format | None:
    """Format of a file by its first bytes; None if it is none of the three.

    Raises UnsupportedError for torch files that are not read, with the way out.
    """
    with path.open("rb") as stream:
        head = stream.read(32)
    if head.startswith(b"PK"):
        return _zip_format(path)
    if head.startswith(_OLD_TORCH):
        raise UnsupportedError(_resave(path, "is in torch's format before 1.6"))
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise UnsupportedError(
            f"{path}: is a bare pickle; it could run any code and is never opened. "
            "Save numbers with numpy.savez or safetensors."
        )
    return "safetensors" if looks_like_safetensors(head, path.stat().st_size) else None


def _zip_format(path: Path) -> Format | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (*ZIP_ERRORS, ValueError) as error:
        raise damaged_zip(path, error) from None
    if "data.pkl" in names:
        return "torch"
    if "constants.pkl" in names:
        raise UnsupportedError(_resave(path, "is a TorchScript module"))
    return "npz" if any(name.endswith(".npy") for name in names) else None


def read_state_dict(path: Path) -> StateDict:
    """All tensors of a checkpoint.

    Raises
    ------
    InputFileError : the file is damaged or holds no tensors.
    UnsupportedError : a pickled module or an old torch file; the message shows how to save it anew.
    """
    found = state_format(path)
    if found is None:
        raise InputFileError(f"{path}: is no .pt, .safetensors or .npz file.")
    notes: list[str] = []
    if found == "safetensors":
        tensors = read_safetensors(path)
    elif found == "npz":
        tensors = read_npz(path)
    else:
        tensors, notes = _unwrapped(path, read_torch_file(path))
    if not tensors:
        raise InputFileError(f"{path}: holds no tensors.")
    tensors, more = _without_prefix(tensors)
    return StateDict(found, tensors, (*notes, *more))


def _unwrapped(path: Path, content: Any) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    if isinstance(content, Opaque):
        raise UnsupportedError(
            _resave(path, f"holds a pickled {content.name}, which could run any code", module=True)
        )
    if not isinstance(content, dict):
        raise InputFileError(f"{path}: holds no state dict.")
    if tensors := _tensors(content):
        return tensors, []
    wrapped = {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, dict) and _tensors(value)
    }
    likely = [k for k in wrapped if not any(word in k.lower() for word in NOT_WEIGHTS)]
    usual = [key for key in USUAL_KEYS if key in likely]
    if not likely:
        inside = [value.name for value in content.values() if isinstance(value, Opaque)]
        if inside:
            raise UnsupportedError(_resave(path, f"holds a pickled {inside[0]}", module=True))
        raise InputFileError(f"{path}: holds no state dict.")
    chosen = usual[0] if usual else likely[0]
    others = ", ".join(repr(key) for key in content if key != chosen)
    note = f"The state dict is the entry {chosen!r} of the file" + (
        f"; not read: {others[:200]}." if others else "."
    )
    return _tensors(wrapped[chosen]), [note]


def _tensors(content: dict[Any, Any]) -> dict[str, npt.NDArray[Any]]:
    """The tensors right inside a dict."""
    if len(content) > MAX_ENTRIES:
        raise InputFileError(f"A dict has {len(content)} entries; at most {MAX_ENTRIES} are read.")
    return {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, np.ndarray)
    }


def _without_prefix(
    tensors: dict[str, npt.NDArray[Any]],
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    removed = ""
    while True:
        common = [p for p in ALWAYS if all(name.startswith(p) for name in tensors)]
        if not common:
            break
        removed += common[0]
        tensors = {name[len(common[0]) :]: value for name, value in tensors.items()}
    return tensors, [f"{removed!r} in front of every name was removed."] if removed else []


def _resave(path: Path, what: str, module: bool = False) -> str:
    """A refusal that shows the two lines that save the file as safetensors."""
    loaded = f'torch.load("{path.name}", weights_only={not module})'
    trust = "  # runs code in the file: only if you trust it" if module else ""
    state = f"{loaded}.state_dict()" if module else loaded
    return (
        f"{path}: {what}, and is not read. Save its numbers once with torch:\n"
        f"  import torch, safetensors.torch\n"
        f'  safetensors.torch.save_file({state}, "{path.stem}.safetensors"){trust}'
    )
