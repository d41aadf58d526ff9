"""``python -m neurosim_cli``."""

from neurosim_cli.main import main

if __name__ == "__main__":
    main()
