"""What holds for every test."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap tests first, the one that takes the shared stack down after all that use it, another stack after that."""
    order = ("development", "last", "cluster", "engine")
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in order])
