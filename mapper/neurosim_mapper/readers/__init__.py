"""Checkpoints in: one file per format, chosen by what a file contains, not by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from neurosim.errors import InputFileError
from neurosim.files.needed import need_file
from neurosim_mapper.network import Network
from neurosim_mapper.readers.description import looks_like_description, read_description
from neurosim_mapper.readers.nir import read_nir
from neurosim_mapper.readers.nir_layout import is_hdf5
from neurosim_mapper.readers.nir_writer import write_network
from neurosim_mapper.readers.readings import READINGS, Reading, parse_reading
from neurosim_mapper.readers.state_dict import read_state_dict, state_format

__all__ = ["READINGS", "Reading", "read_network", "write_network"]


def read_network(
    path: str | os.PathLike[str],
    reading: str | Reading | None = None,
    *,
    shapes_only: bool = False,
    **choices: Any,
) -> Network:
    """Read a checkpoint of any known format.

    Parameters
    ----------
    path : the file; its contents decide how it is read.
    reading : how the neurons of a foreign file are stepped: a name of `READINGS`, a name with
        choices (``snntorch,reset=hard``), or a `Reading`.
        Files that neurosim wrote say it themselves.
    shapes_only : the large weights of a NIR file are not read; numbers of the same shape stand in
        for them. For `neurosim_mapper.estimate`.
    **choices : single choices of the reading, for instance ``reset="hard"``.

    Raises
    ------
    InputFileError : no such file, or one that cannot be used; the message names file and reason.
    UsageError : a reading is needed or does not exist.
    """
    path = Path(path)
    if isinstance(reading, str) and "," in reading:
        reading, typed = parse_reading(reading)
        choices = typed | choices
    try:
        need_file(path)
        if path.stat().st_size == 0:
            raise InputFileError(f"{path} is empty.")
        if is_hdf5(path):
            return read_nir(path, reading, shapes_only, **choices)
        if state_format(path) is not None:
            return read_description(_description_of(path), reading, choices)
        if looks_like_description(path):
            return read_description(path, reading, choices)
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror or error}.") from None
    raise InputFileError(
        f"{path} is not in a format that neurosim knows; known: NIR (HDF5), "
        "and .pt, .safetensors and .npz files with a description (YAML)."
    )


def _description_of(path: Path) -> Path:
    """The description beside a file of bare numbers."""
    beside = path.with_suffix(".yaml")
    if not beside.is_file():
        read_state_dict(path)  # whatever is wrong with the file itself comes first
        raise InputFileError(
            f"{path} holds numbers, but no architecture, and there is no {beside.name} beside it "
            f"that says it. Make one with: neurosim describe {path.name} -o {beside.name}"
        )
    return beside
