"""Files that are safe to read and never half written: YAML, archives, folders."""
