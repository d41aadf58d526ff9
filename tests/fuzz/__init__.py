"""Fuzzing of every reader and of the command line with damaged real files."""
