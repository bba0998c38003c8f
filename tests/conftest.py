"""What holds for every test: drawn cases have no deadline, because the machine may be shared."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("motorcade", deadline=None)
settings.load_profile("motorcade")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to run where xdist does not keep groups together (3.8 with pytest 9.2 does not, and
    says nothing): tests that each run a whole platform would run side by side."""
    if getattr(config.option, "loadgroup", False):
        for item in items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(f"{item.nodeid} is not kept with its xdist_group")
