"""A bounded map whose entries age."""

from __future__ import annotations

from motorcade.api.cache import Cache


def test_entries_age_and_the_unused_go_first() -> None:
    cache: Cache[str, int] = Cache(2, 10.0)
    cache.put("a", 1, 0.0)
    cache.put("b", 2, 0.0)
    assert cache.get("a", 5.0) == 1
    cache.put("c", 3, 5.0)
    assert cache.get("b", 5.0) is None, "b was unused for longest"
    assert cache.get("a", 10.0) is None, "a is too old"
    assert cache.get("c", 10.0) == 3
    assert len(cache) == 1
