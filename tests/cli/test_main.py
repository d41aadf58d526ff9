"""The overview and the way errors become exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from neurosim.errors import DoesNotFitError, InputFileError, SimulationFaultError, UsageError
from neurosim_cli import main as console

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "numba", "pydantic", "rich", "torch", "h5py", "networkx", "yaml", "joblib")
PATHS = os.pathsep.join(str(ROOT / part) for part in (".", "mapper", "cli"))


def python(code: str, *words: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PATHS},
        timeout=120,
        check=False,
        **options,
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["map", "--help"], ["simulate", "--help"], ["nonsense"]]
)
def test_help_imports_nothing_heavy(words):
    """Help answers at once because nothing heavy is imported, which is what is tested."""
    code = (
        "import sys\n"
        "from neurosim_cli.main import run\n"
        "run(sys.argv[1:])\n"
        f"found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    done = python(code, *words)
    assert done.returncode == 0, done.stderr


INSTALLED = console.cli.list_commands(click.Context(console.cli))


@pytest.mark.parametrize("name", INSTALLED)
def test_every_command_explains_itself(neurosim_command, name):
    found = neurosim_command(name, "--help")
    assert found.code == 0
    assert found.out.startswith(f"Usage: neurosim {name}")


@pytest.mark.parametrize("name", INSTALLED)
def test_help_shows_an_example(neurosim_command, name):
    help_text = neurosim_command(name, "--help").out
    assert f"neurosim {name}" in help_text.replace("Usage: neurosim", "")


@pytest.mark.parametrize("name", INSTALLED)
def test_help_fits_the_terminal(neurosim_command, name):
    assert all(len(line) <= 80 for line in neurosim_command(name, "--help").out.splitlines())


def test_a_misspelt_command_gets_a_suggestion(neurosim_command):
    found = neurosim_command("simulat")
    assert found.code == 2
    assert "Did you mean 'simulate'?" in found.err


def test_overview_lists_every_command(neurosim_command):
    found = neurosim_command("--help")
    assert found.code == 0
    for name in INSTALLED:
        line = console.COMMANDS[name][1]
        assert name in found.out
        assert line in found.out


def test_version(neurosim_command):
    import neurosim

    assert neurosim_command("--version").out == f"neurosim, version {neurosim.__version__}\n"


def test_unknown_command(neurosim_command):
    found = neurosim_command("dance")
    assert (found.code, found.out) == (2, "")
    assert "No such command 'dance'." in found.err


def raising(error):
    @click.command("boom")
    def boom():
        raise error

    return boom


@pytest.fixture
def boom(monkeypatch):
    """Make the command ``boom`` raise something."""

    def install(error):
        module = type(sys)("neurosim_cli.boom")
        module.boom = raising(error)
        monkeypatch.setitem(sys.modules, "neurosim_cli.boom", module)
        monkeypatch.setitem(console.COMMANDS, "boom", ("neurosim_cli.boom:boom", "Raise."))

    return install


@pytest.mark.parametrize(
    ("kind", "code"),
    [(UsageError, 2), (InputFileError, 3), (DoesNotFitError, 4), (SimulationFaultError, 5)],
)
def test_errors_are_one_line_and_an_exit_code(neurosim_command, boom, kind, code):
    boom(kind("layer 'a' needs more."))
    found = neurosim_command("boom")
    assert (found.code, found.out, found.err) == (code, "", "neurosim: layer 'a' needs more.\n")


def test_an_internal_error_is_one_line(neurosim_command, boom):
    boom(KeyError("conv\n2"))
    found = neurosim_command("boom")
    assert found.code == 1
    assert found.err == (
        "neurosim: internal error (KeyError: 'conv\\n2'). Please report it; "
        "NEUROSIM_TRACEBACK=1 shows where.\n"
    )


def test_the_traceback_on_request(neurosim_command, boom, monkeypatch):
    monkeypatch.setenv("NEUROSIM_TRACEBACK", "1")
    boom(KeyError("conv2"))
    found = neurosim_command("boom")
    assert found.code == 1
    assert "Traceback (most recent call last)" in found.err


def test_interrupt(neurosim_command, boom):
    boom(KeyboardInterrupt())
    found = neurosim_command("boom")
    assert (found.code, found.err) == (130, "neurosim: interrupted.\n")


def test_out_of_memory(neurosim_command, boom):
    boom(MemoryError())
    found = neurosim_command("boom")
    assert found.code == 1
    assert found.err == "neurosim: not enough memory. Use fewer samples or ticks.\n"


@pytest.mark.parametrize("words", [["--help"], ["chips"], ["chips", "tianjic"], ["complexity"]])
def test_a_closed_pipe_is_quiet(words):
    """The reader goes away before anything is written."""
    code = (
        "import os, sys\n"
        "from neurosim_cli.main import main\n"
        f"sys.argv = ['neurosim', *{words}]\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "main()\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (141, "")


def test_module_of_the_checkout():
    """``python -m cli`` works in a checkout with nothing installed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "cli", "--version"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("neurosim, version ")
