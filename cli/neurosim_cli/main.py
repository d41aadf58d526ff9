"""The console script: commands by name, each imported only when it is called; errors to exit codes.

Exit codes: 0 ok, 1 internal error, 2 usage, 3 bad input file, 4 does not fit, 5 simulation fault,
130 interrupted, 141 the reader of the output went away.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import click

from neurosim import __version__
from neurosim.errors import NeurosimError
from neurosim.kernels.first_use import before_compiling

COMMANDS: Final = {
    "demo": ("neurosim_cli.demo:demo", "Two trained networks on a chip, start to end."),
    "chips": ("neurosim_cli.chips:chips", "Shipped chips, and what a chip file says."),
    "info": ("neurosim_cli.info:info", "What is in a checkpoint or a program."),
    "describe": ("neurosim_cli.describe_command:describe", "Tensors of a state dict; its YAML."),
    "check": ("neurosim_cli.check_command:check", "Does a checkpoint give the recorded spikes?"),
    "quantize": ("neurosim_cli.quantize_command:quantize", "Accuracy before and after integers."),
    "estimate": ("neurosim_cli.estimate:estimate_command", "Cores and memory from shapes alone."),
    "map": ("neurosim_cli.map_command:map_command", "Map a checkpoint onto a chip."),
    "simulate": ("neurosim_cli.simulate_command:simulate", "Run a program on samples."),
    "stream": ("neurosim_cli.stream_command:stream", "Run a program on a recording of any length."),
    "compare": ("neurosim_cli.compare_command:compare", "Networks side by side: spikes or values."),
    "mix": ("neurosim_cli.mix_command:mix", "Which layers should send values, which spikes."),
    "sweep": ("neurosim_cli.sweep_command:sweep", "A study of many points; its Pareto front."),
    "report": ("neurosim_cli.report_command:report", "Show the report of a run folder."),
    "frames": ("neurosim_cli.frames:frames", "Turn event recordings into framed samples."),
    "complexity": ("neurosim_cli.complexity:complexity", "Operation counts of LIAF-Net layers."),
    "noc": ("neurosim_cli.noc:noc", "The network-on-chip alone, under synthetic traffic."),
}
"""Command name to (module:attribute, line for the overview)."""

EPILOG: Final = (
    "Exit codes: 0 ok, 2 usage, 3 bad input file, 4 does not fit the chip, 5 simulation fault. "
    "Start with: neurosim demo"
)

_COMPILING: Final = "first use: compiling kernels, once per machine (up to two minutes)"
_INTERRUPTED: Final = 130
_OUTPUT_CLOSED: Final = 141


class LazyGroup(click.Group):
    """Imports a command when it runs; the overview needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that is nearly one of ours is answered with ours."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="neurosim")
def cli() -> None:
    """Map trained spiking networks onto neuromorphic chips and simulate them exactly.

    \b
    neurosim map digits_liaf.nir --chip tianjic -o digits.nsp
    neurosim simulate digits.nsp --input digits_test.npz --noc cycle -o run/
    neurosim compare digits_liaf.nir digits_lif.nir --chip tianjic \\
        --input digits_test.npz -o cmp/
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; the only place that turns errors into exit codes."""
    if "_NEUROSIM_COMPLETE" in os.environ:
        cli.main(prog_name="neurosim")  # shell completion; prints and exits
    words = list(sys.argv[1:] if args is None else args)
    before_compiling(lambda: click.echo(_COMPILING, err=True))
    try:
        code = run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more; what is left in the buffers must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _OUTPUT_CLOSED
    sys.exit(code)


def run(words: list[str]) -> int:
    """Run one command; returns the exit code. Only a closed output is raised."""
    try:
        with cli.make_context("neurosim", words) as context:
            cli.invoke(context)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except NeurosimError as error:
        return _complain(str(error), error.exit_code, error)
    except (KeyboardInterrupt, click.Abort):
        click.echo("neurosim: interrupted.", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except MemoryError as error:
        return _complain("not enough memory. Use fewer samples or ticks.", 1, error)
    except Exception as error:
        return _complain(_internal(error), 1, error)


def _complain(sentence: str, code: int, error: BaseException) -> int:
    if os.environ.get("NEUROSIM_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    click.echo(f"neurosim: {sentence}", err=True)
    return code


def _internal(error: Exception) -> str:
    text: Any = " ".join(str(error).split())[:200]
    return (
        f"internal error ({type(error).__name__}: {text}). Please report it; "
        "NEUROSIM_TRACEBACK=1 shows where."
    )
