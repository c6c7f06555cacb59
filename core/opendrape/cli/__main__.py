"""The same as the ``opendrape`` command: ``python -m opendrape.cli``."""

from opendrape.cli.main import main

main()
