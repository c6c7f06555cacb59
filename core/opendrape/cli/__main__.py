"""``python -m opendrape.cli``: the same as the ``opendrape`` command."""

from opendrape.cli.main import main

main()
