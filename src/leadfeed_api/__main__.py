"""``python -m leadfeed_api`` is the ``leadfeed`` command."""

from leadfeed_api.cli import main

main()
