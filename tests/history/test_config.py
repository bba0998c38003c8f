"""Defaults that depend on each other."""

from __future__ import annotations

import msgspec
import pytest

from motorcade.history.config import Config


def test_the_tail_outlives_a_readers_view() -> None:
    config = Config()
    assert config.tail_grace_s > 2 * config.snapshot_age_max_s


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"commit_every": 3}, Config)
