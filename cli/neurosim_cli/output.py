"""What a command prints: tables on stdout, progress and remarks on stderr, JSON for scripts."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH: Final = 80
Advance = Callable[[int], None]


def show(*views: RenderableType) -> None:
    """Print rich renderables on stdout, at most 80 columns wide, in colour on a terminal.

    Strings stand as they are. Printed at once, so that a reader who goes away is noticed in one
    place (rich would end the process by itself).
    """
    from rich.console import Console

    stream = io.StringIO()
    colours = "standard" if sys.stdout.isatty() else None
    console = Console(
        file=stream,
        width=WIDTH,
        force_terminal=colours is not None,
        color_system=colours,  # type: ignore[arg-type]
        highlight=False,
        markup=False,
        emoji=False,
    )
    for view in views:
        console.print(view)
    click.echo(stream.getvalue(), nl=False)


def show_json(data: Any) -> None:
    """Print plain data as JSON on stdout."""
    click.echo(json.dumps(data, indent=1, allow_nan=False))


def remark(sentence: str) -> None:
    """A line on stderr."""
    click.echo(sentence, err=True)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A bar with the time left (a spinner without `total`) on stderr, gone when done.

    Nothing is drawn unless stderr is a terminal. The yielded function may be called from threads.
    """
    if not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    text = TextColumn("{task.description}")
    ends = (TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    columns = (SpinnerColumn(), text, Elapsed()) if total is None else (text, BarColumn(), *ends)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n: bar.advance(task, n)


def _ignore(n: int) -> None:
    """Nobody watches."""
