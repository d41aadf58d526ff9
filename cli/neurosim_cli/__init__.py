"""The command line: click commands that parse, call, print and choose the exit code."""
