"""The chip: its model, its YAML files, every problem of a file in one report."""
