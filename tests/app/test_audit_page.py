"""The report on a stack's updates in a real browser: what one types and ticks leaves those that one looks for."""

import io
import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from operations.audit.history import files, read
from operations.audit.page import as_html
from operations.audit.updates import updates
from tests.app.chromium import HEADLESS
from tests.unit.histories import STACK, add, resource

# What a person would do, and the numbers of the updates that are seen then.
DRIVEN = """
<script>
const seen = () => [...document.querySelectorAll("details")].filter((one) => one.checkVisibility())
  .map((one) => one.id.replace("update-", "")).join(" ");
const done = (id, change) => {
  change(document.getElementById(id));
  document.getElementById(id).dispatchEvent(new Event("input", { bubbles: true }));
  return `${seen()} (${document.getElementById("shown").textContent})`;
};
const told = { all: seen(), opened: [...document.querySelectorAll("details[open]")].map((one) => one.id).join(" ") };
told.typed = done("find", (one) => { one.value = "Cache"; });
told.cleared = done("find", (one) => { one.value = ""; });
told.bad = done("bad", (one) => { one.checked = true; });
told.badAndChanging = done("changing", (one) => { one.checked = true; });
dispatchEvent(new Event("beforeprint"));
told.printed = document.querySelectorAll("details[open]").length;
told.wide = document.documentElement.scrollWidth <= innerWidth;
document.title = JSON.stringify(told);
</script>
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Four updates: one that made things, one that changed nothing, one that failed, and one that failed half-way."""
    history = tmp_path / "history"
    add(history, 1, [resource("settings", data={"level": "info"})])
    add(history, 2, [resource("settings", data={"level": "info"})])
    add(history, 3, [resource("settings", data={"level": "info"})], result="failed")
    changed = [resource("settings", data={"level": "debug"}), resource("cache", data={"note": "x" * 500})]
    add(history, 4, changed, result="failed")
    out = io.StringIO()
    as_html(updates(read(file) for file in files(history, STACK)), None, out)
    place = tmp_path / "report.html"
    place.write_text(out.getvalue().replace("</body>", f"{DRIVEN}</body>"))
    return place


def browsed(page: Path, size: str) -> dict[str, Any]:
    """What was seen when the page was opened at its second update, in a window of this size."""
    command = [
        *HEADLESS,
        f"--user-data-dir={page.parent}/profile",
        f"--window-size={size}",
        "--dump-dom",
        f"file://{page}#update-2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title, done.stdout
    return dict(json.loads(unescape(title[1])))


@pytest.mark.parametrize("size", ["1200,900", "400,800"], ids=["a desk", "a telephone"])
def test_a_reader_finds_the_updates_that_failed_or_changed_something(page: Path, size: str) -> None:
    assert browsed(page, size) == {
        "all": "1 2 3 4",
        "opened": "update-2",
        "typed": "4 (1 of 4)",
        "cleared": "1 2 3 4 (4 of 4)",
        "bad": "3 4 (2 of 4)",
        "badAndChanging": "4 (1 of 4)",
        "printed": 4,
        "wide": True,
    }
