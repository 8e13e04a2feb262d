"""The report on a stack's updates in a real browser: what one types and ticks leaves those that one looks for."""

import io
import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from operations.audit.history import entries, files
from operations.audit.page import as_html
from operations.audit.updates import updates
from tests.app.chromium import HEADLESS
from tests.unit.conftest import INVENTORIES
from tests.unit.histories import STACK, add, resource
from tests.unit.stacks import STACKS

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


# What of a picture can't be read: texts that run over each other, out of it, or over the edge of a box.
MEASURED = """
<script>
const area = (one) => one.getBoundingClientRect();
const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
const within = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
const [svg] = document.querySelectorAll("svg");
const texts = [...document.querySelectorAll("svg text")].filter((one) => !one.hasAttribute("transform"));
const boxes = [...document.querySelectorAll("svg .box")];
const told = [];
for (const [index, one] of texts.entries()) {
  if (!within(area(one), area(svg))) told.push(`${one.textContent} is cut off`);
  for (const other of texts.slice(index + 1)) {
    if (!apart(area(one), area(other))) told.push(`${one.textContent} runs over ${other.textContent}`);
  }
  for (const box of boxes) {
    if (!apart(area(one), area(box)) && !within(area(one), area(box))) told.push(`${one.textContent} leaves its box`);
  }
}
document.title = JSON.stringify({ told, texts: texts.length, boxes: boxes.length });
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
    as_html(updates(entries(files(history, STACK))), None, out)
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


@pytest.mark.parametrize("stack", STACKS)
def test_every_text_of_the_picture_of_access_can_be_read(stack: str, tmp_path: Path) -> None:
    place = tmp_path / "access.html"
    place.write_text(f"<title></title>{(INVENTORIES / f'access-{stack}.svg').read_text()}{MEASURED}")
    seen = browsed(place, "2200,1000")
    assert seen["told"] == []
    assert seen["texts"] > seen["boxes"] > len(STACKS)


@pytest.mark.parametrize("size", ["1200,900", "400,800"], ids=["a desk", "a telephone"])
def test_the_report_begins_with_the_picture_and_filters_updates_alone(tmp_path: Path, size: str) -> None:
    add(tmp_path / "history", 1, [resource("settings")])
    out = io.StringIO()
    drawing = (INVENTORIES / "access-production.svg").read_text()
    as_html(updates(entries(files(tmp_path / "history", STACK))), None, out, drawing)
    place = tmp_path / "report.html"
    opened = out.getvalue().replace('<details id="access">', '<details id="access" open>')
    place.write_text(opened.replace("</body>", f"{DRIVEN}</body>"))
    seen = browsed(place, size)
    assert (seen["bad"], seen["wide"], seen["printed"]) == ("access (0 of 1)", True, 2)
