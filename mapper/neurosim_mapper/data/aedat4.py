"""AEDAT 4.0 through the optional library ``aedat`` (MIT).

The packets of this format are compressed tables with a schema of their own; the library decodes
them. Without it everything else works and the message says what to install. The origin is the
upper left pixel, nothing is flipped by default. The library, not this reader, bounds the memory
taken while it decodes one packet.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.events import Conventions, Events, ReadOptions, build_events
from neurosim_mapper.data.files import read_bytes

DEFAULT = Conventions(source="aedat4")
MAGIC = b"#!AER-DAT4.0\r\n"


def read_aedat4(path: str | Path, options: ReadOptions | None = None) -> Events:
    """Read the events of an AEDAT 4.0 file (all packets of its one event stream).

    Raises
    ------
    UsageError
        If the library is not installed.
    InputFileError
        If the file is no AEDAT 4.0, cannot be decoded, or has no or several event streams.
    """
    options = options or ReadOptions()
    name = Path(path).name
    data = read_bytes(path)
    if data[: len(MAGIC)].tobytes() != MAGIC:
        raise InputFileError(f"{name}: the first line is not '#!AER-DAT4.0': no AEDAT 4.0 file.")
    announced = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4].tobytes(), "little")
    if announced > data.size - len(MAGIC):
        raise InputFileError(
            f"{name}: the header announces {announced} bytes, the file has {data.size} in all: "
            "it is cut off or damaged."
        )
    del data
    try:
        library: Any = importlib.import_module("aedat")
    except ImportError as error:
        raise UsageError(
            f"{name}: AEDAT 4.0 needs the optional library 'aedat', which is not installed. "
            "Install it with: pip install aedat"
        ) from error
    sensor, packets = _decode(library, Path(path), name)
    columns = (
        np.concatenate([packet["x"] for packet in packets] or [np.zeros(0, np.uint16)]),
        np.concatenate([packet["y"] for packet in packets] or [np.zeros(0, np.uint16)]),
        np.concatenate([packet["on"] for packet in packets] or [np.zeros(0, np.uint8)]),
        np.concatenate([packet["t"] for packet in packets] or [np.zeros(0, np.int64)]),
    )
    x, y, p, t_us = columns
    return build_events(
        name,
        (x, y, p.astype(np.uint8), t_us.astype(np.int64)),
        options.sensor or sensor,
        options.resolve(DEFAULT),
        lambda i: f"event {i}",
    )


def _decode(library: Any, path: Path, name: str) -> tuple[tuple[int, int], list[Any]]:
    try:
        with _without_stderr():
            decoder = library.Decoder(path)
            known = decoder.id_to_stream().items()
            streams = {key: value for key, value in known if value["type"] == "events"}
            packets = [packet["events"] for packet in decoder if packet["stream_id"] in streams]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a fault in the compiled decoder is no Exception
        raise InputFileError(
            f"{name}: the library 'aedat' cannot decode it ({str(error)[:120]}). "
            "The file is cut off or damaged."
        ) from error
    if len(streams) != 1:
        raise InputFileError(f"{name}: there are {len(streams)} event streams, one is needed.")
    stream = next(iter(streams.values()))
    return (int(stream["width"]), int(stream["height"])), packets


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep the compiled decoder from printing its own fault report; the error says it better."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
