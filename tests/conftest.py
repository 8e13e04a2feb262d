"""What holds for every test."""

import pytest

# What asserts for the tests beside them: their failures say what was there, too.
pytest.register_assert_rewrite(*(f"tests.{folder}" for folder in ("app", "cluster", "engine", "localcloud", "unit")))


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap tests first, the one that takes the shared stack down after all that use it, another stack after that.

    Where several processes run the tests, one of them has the local cloud to itself, and a file stays in one piece.
    """
    order = ("development", "last", "cluster", "engine")
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in order])
    for item in items:
        shared = any(item.get_closest_marker(name) for name in ("cluster", "development"))
        item.add_marker(pytest.mark.xdist_group("cloud" if shared else str(item.path)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the drills measured; nothing of it is asserted, since a busy machine is slow."""
    reports = [report for report in terminalreporter.getreports("") if report.when == "teardown"]
    if measured := [report for report in reports if report.user_properties]:
        terminalreporter.section("measured")
    for report in measured:
        for what, value in report.user_properties:
            terminalreporter.line(f"{report.nodeid.rpartition('::')[2]}: {what} {value}")
