"""Progress goes to stderr, and only to a terminal; tables and JSON go to stdout."""

from __future__ import annotations

import io
import sys

from neurosim_cli.output import progress, show


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_no_bar_in_a_file(capsys):
    with progress("working", 3) as advance:
        advance(2)
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "")


def test_a_bar_on_a_terminal(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("working", 3) as advance:
        advance(3)
    assert "working" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_a_spinner_where_nobody_knows_how_long(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("mapping"):
        pass
    assert "mapping" in terminal.getvalue()


def test_tables_without_colours_in_a_file(capsys):
    from rich.text import Text

    show(Text("bold", style="bold"))
    assert capsys.readouterr().out == "bold\n"
