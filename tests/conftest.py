"""What holds for every test: drawn cases have no deadline, because the machine may be shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("motorcade", deadline=None)
settings.load_profile("motorcade")
