"""The table of documented behaviours is what the tests say."""

from pathlib import Path

from tests.engine import table

REPORT = """<testsuites><testsuite>
<testcase name="test_a_deployment_without_replicas_is_ready"/>
<testcase name="test_a_made_name_stays"><failure/></testcase>
<testcase name="test_nothing_is_waited_for_on_demand[true]"><failure/></testcase>
<testcase name="test_nothing_is_waited_for_on_demand[ready]"/>
</testsuite></testsuites>"""


def test_the_documents_table_is_current() -> None:
    """Mend it by `python -m tests.engine.table`."""
    document = table.DOCUMENT.read_text()
    assert table.written(document) == document


def test_without_a_report_parity_is_unverified(tmp_path: Path) -> None:
    document = table.written(table.DOCUMENT.read_text(), tmp_path)
    rows = [line for line in document.splitlines() if line.startswith("| ") and "](https://" in line]
    assert len(rows) > 90
    assert all(row.endswith("| unverified |") for row in rows)


def test_a_report_on_the_official_plugin_fills_the_column(tmp_path: Path) -> None:
    """A behaviour with parameters is the same only where all of them are."""
    report = tmp_path / "kubernetes.xml"
    report.write_text(REPORT)
    document = table.written(table.DOCUMENT.read_text(), tmp_path)
    endings = {line.split(" | ")[0]: line.rsplit(" | ", 1)[-1] for line in document.splitlines() if "](http" in line}
    assert endings["| A deployment without replicas is ready"] == "same |"
    assert endings["| A made name stays"] == "differs |"
    assert endings["| Nothing is waited for on demand"] == "differs |"
