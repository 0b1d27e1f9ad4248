"""The ``leadfeed`` command, gathering an instant mail for no longer than a test can wait; nothing else is changed."""

from datetime import timedelta

from leadfeed_api.cli import main
from leadfeed_api.subscriptions import digest

if __name__ == "__main__":
    digest.GATHER = timedelta(seconds=0.2)
    main()
