"""What holds for every test."""

import pytest

# What asserts for the tests beside them: their failures say what was there, too.
pytest.register_assert_rewrite(*(f"tests.{folder}" for folder in ("app", "cluster", "engine", "localcloud", "unit")))


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cheap tests first, then those that share the local cloud, a folder at a time: the stack of some goes when they
    are through. The developer's comes last.

    Where several processes run the tests, one of them has the local cloud to itself, and a file stays in one piece.
    What takes longest begins first there, for them to end together.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, str, bool, bool]:
        development, cluster, last, engine = (
            item.get_closest_marker(name) is not None for name in ("development", "cluster", "last", "engine")
        )
        return development, cluster, str(item.path.parent) if cluster else "", last, engine

    items.sort(key=place)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("cloud" if _shared(item) else str(item.path)))
    if hasattr(config, "workerinput"):  # one process of several
        items.sort(key=lambda item: (not _shared(item), item.get_closest_marker("long") is None))


def _shared(item: pytest.Item) -> bool:
    """Whether a test needs what there is once: the local cluster, the development stack."""
    return any(item.get_closest_marker(name) for name in ("cluster", "development"))


class _Failures:
    """Shows a failure when it happens: a run of many minutes may be broken off before its end."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.ensure_newline()
            self._terminal.write_sep("_", report.nodeid, red=True)
            self._terminal.line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # after the terminal has its reporter
def pytest_configure(config: pytest.Config) -> None:
    if terminal := config.pluginmanager.get_plugin("terminalreporter"):
        config.pluginmanager.register(_Failures(terminal))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the drills measured; nothing of it is asserted, since a busy machine is slow."""
    reports = [report for report in terminalreporter.getreports("") if report.when == "teardown"]
    if measured := [report for report in reports if report.user_properties]:
        terminalreporter.section("measured")
    for report in measured:
        for what, value in report.user_properties:
            terminalreporter.line(f"{report.nodeid.rpartition('::')[2]}: {what} {value}")
