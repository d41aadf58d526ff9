"""The errors that neurosim raises for its users.

Every message is one sentence of the form *what: object: needed, available. What would help.*
Each class derives from `NeurosimError` and from the built-in exception that fits, so that both
``except NeurosimError`` and ``except ValueError`` do what a caller expects. `exit_code` is what
the command line returns for it (README, "Exit codes").
"""

from __future__ import annotations

from typing import Any


class NeurosimError(Exception):
    """Base class of everything that neurosim raises on purpose.

    `report` holds what the mapper had found out by then: plain data, for mapping_report.json.
    """

    exit_code = 1

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.report: dict[str, Any] = {}


class UsageError(NeurosimError, ValueError):
    """A call or a command-line option that makes no sense (exit code 2)."""

    exit_code = 2


class InputFileError(NeurosimError, ValueError):
    """A file, or arrays taken from one, that cannot be used (exit code 3)."""

    exit_code = 3


class UnsupportedError(InputFileError):
    """A network that asks for something neurosim does not offer (exit code 3)."""


class DoesNotFitError(NeurosimError, ValueError):
    """A network that breaks a limit of the chip (exit code 4)."""

    exit_code = 4


class SimulationFaultError(NeurosimError, RuntimeError):
    """A run that had to stop: a deadlock, an overflow in strict mode, ... (exit code 5)."""

    exit_code = 5
