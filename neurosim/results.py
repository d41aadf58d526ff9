"""Run folders: everything that a run gave, in one folder that checks itself.

=============== ==============================================================================
manifest.json   schema, versions, seed, command, digests of inputs and of every file here
chip.yaml       the resolved chip, complete; a chip file as any other
report.json     `neurosim.report`, schema in `neurosim.report.schema`
counters.npz    the columns of `neurosim.cost.counters.Counters`; of a run with the cycle-level
                network also those of `NetworkStats`, as network.NAME
trace.npz       outputs (and labels, if given); values.LAYER, membrane.LAYER of probed layers;
                shown.LAYER, the neurons that the page shows, where some were chosen
cores.npz       the columns of `neurosim.cost.core_facts.CoreFacts`
report.html     the page of the run, `neurosim.report.page`
trace.perfetto.json
                if it was asked for: a time line, `neurosim.report.perfetto`
=============== ==============================================================================

The folder is built aside and renamed: a reader sees the old run or the new one. Equal runs give
equal bytes in every file but manifest.json, which holds the time and the command.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.files import chip_from_dict, dump_chip
from neurosim.chip.model import Chip
from neurosim.cost.core_facts import CoreFacts, core_facts
from neurosim.cost.counters import Counters
from neurosim.cost.network_stats import NetworkStats
from neurosim.errors import InputFileError
from neurosim.files.archive import read_archive, write_archive
from neurosim.files.folders import check_replaceable, write_folder
from neurosim.files.strict_yaml import parse_yaml, read_text_file
from neurosim.provenance import bytes_digest, json_digest, program_digest, versions

if TYPE_CHECKING:
    from neurosim.run.simulator import Run

RUN_SCHEMA: Final = "neurosim-run/1"
COUNTERS_SCHEMA: Final = "neurosim-counters/1"
TRACE_SCHEMA: Final = "neurosim-trace/1"
CORES_SCHEMA: Final = "neurosim-cores/1"

MANIFEST: Final = "manifest.json"
REQUIRED: Final = ("chip.yaml", "report.json", "counters.npz", "trace.npz")
CORES: Final = "cores.npz"
PAGE: Final = "report.html"
PERFETTO: Final = "trace.perfetto.json"
OPTIONAL: Final = (CORES, PAGE, PERFETTO)
_LARGEST_JSON_BYTES: Final = 1 << 28
_NETWORK: Final = "network."

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RunFolder:
    """What `load_run_folder` found; every digest has been verified.

    Attributes
    ----------
    outputs : (n_samples, n_ticks, n_outputs) int32. labels : (n_samples,) or None.
    network : of a run with the cycle-level network, else None.
    values, membrane : per probed layer (n_samples, n_ticks, n_neurons) int32.
    cores : None in a folder of an earlier version.
    shown : numbers of the neurons that were chosen for the page, by layer.
    manifest, report : plain JSON data.
    """

    path: Path
    manifest: Mapping[str, Any]
    chip: Chip
    report: Mapping[str, Any]
    counters: Counters
    outputs: I32
    labels: I64 | None = None
    network: NetworkStats | None = None
    values: Mapping[str, I32] = field(default_factory=dict)
    membrane: Mapping[str, I32] = field(default_factory=dict)
    cores: CoreFacts | None = None
    shown: Mapping[str, I64] = field(default_factory=dict)


def check_run_folder(path: str | Path) -> None:
    """Raise UsageError if `write_run_folder` would refuse `path`; call it before a long run."""
    check_replaceable(Path(path), MANIFEST, (MANIFEST, *REQUIRED, *OPTIONAL))


def write_run_folder(
    run: Run,
    path: str | Path,
    *,
    command: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    shown: Mapping[str, I64] | None = None,
) -> None:
    """Write the folder of a run; an older run folder at `path` is replaced as a whole.

    Parameters
    ----------
    command : the words of the command line, for the manifest.
    inputs : digests of the files that went in, by name, for the manifest.
    more : texts of further files by name, any of `OPTIONAL`.
    shown : neurons that the page is to show, by layer.

    Raises
    ------
    UsageError : the folder cannot be written, or holds files of somebody else.
    """
    check_run_folder(path)
    files = run_files(run, command=command, inputs=inputs, more=more, shown=shown)
    write_folder(Path(path), files)


def run_files(
    run: Run,
    *,
    command: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    shown: Mapping[str, I64] | None = None,
) -> dict[str, bytes]:
    """The files of a run folder, name to content."""
    from neurosim.report.page import run_page
    from neurosim.report.report import report_json
    from neurosim.report.view import view_of_run

    view = view_of_run(run, shown)
    files = {
        "chip.yaml": dump_chip(run.program.chip).encode(),
        "report.json": report_json(view.report).encode(),
        "counters.npz": _archive(COUNTERS_SCHEMA, _counter_columns(run)),
        "trace.npz": _archive(TRACE_SCHEMA, _trace_columns(run, shown or {})),
        CORES: _archive(CORES_SCHEMA, core_facts(run.program, run.counters)._asdict()),
        PAGE: run_page(view).encode(),
    }
    files |= {name: text.encode() for name, text in (more or {}).items()}
    manifest: dict[str, Any] = {
        "schema": RUN_SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "command": list(command),
        "seed": run.program.seed,
        "noc": run.noc,
        "program_digest": program_digest(run.program),
        "inputs": dict(inputs or {}),
        "files": {name: bytes_digest(content) for name, content in files.items()},
    }
    manifest["digest"] = json_digest(manifest)
    return {**files, MANIFEST: _manifest_bytes(manifest)}


def load_run_folder(path: str | Path) -> RunFolder:
    """Read a run folder and verify the digest of every file.

    Raises InputFileError if it is no run folder, or if a file is missing, damaged or changed.
    """
    folder = Path(path)
    manifest = _manifest(folder)
    for name, digest in manifest["files"].items():
        _verify(folder, str(name), digest)
    _, columns = read_archive(folder / "counters.npz", COUNTERS_SCHEMA)
    _, trace = read_archive(folder / "trace.npz", TRACE_SCHEMA)
    try:
        network = _network(columns)
        counters = Counters(**columns)
        outputs = trace["outputs"]
    except (TypeError, KeyError) as error:
        raise InputFileError(f"{folder}: counters or outputs are incomplete ({error}).") from None
    return RunFolder(
        path=folder,
        manifest=manifest,
        chip=_chip(folder / "chip.yaml"),
        report=_json(folder / "report.json"),
        counters=counters,
        outputs=outputs,
        labels=trace.get("labels"),
        network=network,
        values=_layers(trace, "values."),
        membrane=_layers(trace, "membrane."),
        shown=_layers(trace, "shown."),
        cores=_cores(folder / CORES) if CORES in manifest["files"] else None,
    )


def is_run_folder(path: str | Path) -> bool:
    """Whether `path` looks like a run folder; `load_run_folder` says what is wrong with it."""
    return (Path(path) / MANIFEST).is_file()


def _counter_columns(run: Run) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = dict(run.counters.columns())
    if run.network is not None:
        for item in fields(run.network):
            columns[f"{_NETWORK}{item.name}"] = np.asarray(getattr(run.network, item.name))
    return columns


def _network(columns: dict[str, npt.NDArray[Any]]) -> NetworkStats | None:
    """Take the columns of the network out of `columns`."""
    names = [name for name in columns if name.startswith(_NETWORK)]
    found = {name.removeprefix(_NETWORK): columns.pop(name) for name in names}
    if not found:
        return None
    numbers: dict[str, Any] = {
        name: int(column[0]) if name == "drain_cycles_total" else column
        for name, column in found.items()
    }
    return NetworkStats(**numbers)


def _cores(path: Path) -> CoreFacts:
    _, columns = read_archive(path, CORES_SCHEMA)
    try:
        return CoreFacts(**columns)
    except TypeError as error:
        raise InputFileError(f"{path}: is incomplete ({error}).") from None


def _trace_columns(run: Run, shown: Mapping[str, I64]) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = {"outputs": run.outputs}
    if run.labels is not None:
        columns["labels"] = run.labels
    columns |= {f"values.{name}": array for name, array in run.values.items()}
    columns |= {f"membrane.{name}": array for name, array in run.membrane.items()}
    return columns | {f"shown.{name}": numbers for name, numbers in shown.items()}


def _layers(trace: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {
        name.removeprefix(prefix): array for name, array in trace.items() if name.startswith(prefix)
    }


def _archive(schema: str, columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of an archive file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "columns.npz"
        write_archive(path, schema, {}, columns)
        return path.read_bytes()


def _manifest(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        raise InputFileError(
            f"{folder}: is a file; a folder is needed, as neurosim simulate -o writes it."
        )
    if not folder.is_dir():
        raise InputFileError(f"{folder}: no such run folder.")
    if not is_run_folder(folder):
        raise InputFileError(f"{folder}: is not a run folder; it holds no {MANIFEST}.")
    manifest = _json(folder / MANIFEST)
    if manifest.get("schema") != RUN_SCHEMA:
        raise InputFileError(
            f"{folder / MANIFEST}: holds the schema {manifest.get('schema')!r}; this version of "
            f"neurosim reads {RUN_SCHEMA!r}."
        )
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    if manifest.get("digest") != json_digest(rest) or not _is_as_written(folder, manifest):
        raise InputFileError(f"{folder / MANIFEST}: was changed after it was written (digest).")
    missing = [name for name in REQUIRED if name not in manifest["files"]]
    if missing:
        raise InputFileError(f"{folder / MANIFEST}: lists no {missing[0]}.")
    return manifest


def _manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1) + "\n").encode()


def _is_as_written(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the file has not even another blank than what was written."""
    return (folder / MANIFEST).read_bytes() == _manifest_bytes(manifest)


def _verify(folder: Path, name: str, digest: str) -> None:
    if name not in (*REQUIRED, *OPTIONAL):
        raise InputFileError(f"{folder / MANIFEST}: lists the unknown file {name!r}.")
    path = folder / name
    if not path.is_file():
        raise InputFileError(f"{path}: is missing from this run folder.")
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}).") from None
    if found != digest:
        raise InputFileError(f"{path}: was changed after it was written (digest).")


def _chip(path: Path) -> Chip:
    """The chip as it was resolved; one made in Python may lack the sources that files need."""
    document = parse_yaml(read_text_file(path, "chip file"), str(path))
    return chip_from_dict(document.data, str(path))


def _json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file."""
    try:
        if path.stat().st_size > _LARGEST_JSON_BYTES:
            raise InputFileError(f"{path}: is larger than {_LARGEST_JSON_BYTES >> 20} MiB.")
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"{path}: is not JSON ({error}).") from None
    if not isinstance(data, dict):
        raise InputFileError(f"{path}: holds no mapping.")
    return data
