"""The comment on a pull request in a real browser: what a reviewer sees at once, and what after a click."""

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from operations.delivery.comment import markdown
from operations.delivery.preview import SECRET, Preview
from tests.app.chromium import HEADLESS
from tests.unit.previews import JOB, REPLACED, changed, preview

SECRETS = "vision-week:app:App$kubernetes:core/v1:Secret"
EDGE = "vision-week:edge:Edge$kubernetes:core/v1:ConfigMap"
PREVIEW = preview(
    changed("data", {"LOG_LEVEL": "info"}, {"LOG_LEVEL": "debug"}),
    changed("stringData", {"password": "hunter2"}, {"password": "hunter3"}, SECRETS),
    changed("conf", "gzip on;\n" + "x" * 300, "gzip off;\n<script>document.title = 'mine'</script>", EDGE),
    JOB,
    REPLACED,
)
# As the host shows a comment: its width, its letters, and code that scrolls inside its box.
STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 1rem auto; padding: 0 1rem; color: #1f2328 }
code, pre { font-family: monospace; font-size: 12px; background: #f6f8fa; border-radius: 6px; padding: .2em .4em }
pre { padding: 1rem; overflow: auto } pre code { padding: 0 }
blockquote { border-left: .25em solid #d0d7de; padding: 0 1em; margin: 0; color: #59636e }
"""
# What is in sight, in its order; what is bold; and after a click on each summary that shows up, what is in sight then.
DRIVEN = """
<script>
const sight = () => document.body.innerText.replaceAll("\\u00a0", " ");
const told = { first: sight(), bold: [...document.querySelectorAll("strong")].map((one) => one.innerText) };
for (let level = 0; level < 2; level++)
  for (const one of document.querySelectorAll("details:not([open]) > summary")) if (one.checkVisibility()) one.click();
told.opened = sight();
told.closed = document.querySelectorAll("details:not([open])").length;
told.wide = document.documentElement.scrollWidth <= innerWidth;
document.title = JSON.stringify(told);
</script>
"""


def page(found: Preview) -> str:
    """The comment as HTML, with what runs when it is looked at."""
    comment = MarkdownIt("commonmark", {"html": True}).render(markdown("staging", found))
    return f"<!doctype html><meta charset=utf-8><title></title><style>{STYLE}</style>{comment}{DRIVEN}"


def browsed(found: Preview, folder: Path, size: str) -> dict[str, Any]:
    """What was seen."""
    file = folder / "comment.html"
    file.write_text(page(found))
    command = [*HEADLESS, f"--user-data-dir={folder}/profile", f"--window-size={size}", "--dump-dom", f"file://{file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title, done.stdout
    return dict(json.loads(unescape(title[1])))


@pytest.mark.parametrize("size", ["1200,900", "400,800"], ids=["a desk", "a telephone"])
def test_a_reviewer_sees_what_goes_at_once_and_the_rest_after_a_click(tmp_path: Path, size: str) -> None:
    seen = browsed(PREVIEW, tmp_path, size)
    lines = [line.strip() for line in seen["first"].splitlines() if line.strip()]
    assert lines == [
        "Preview of staging: 2 to replace, 3 to update",
        "Data or identities go with what is in bold. Merging needs the label stateful-change.",
        "Replaced or deleted",
        "+- replace StatefulSet postgres of postgres because of spec",
        "+- replace Job migrations of app",
        "app: 2 to update",
        "edge: 1 to update",
        "90 resources stay as they are. No rule of policies/ is broken.",
    ]
    assert seen["bold"] == ["Data or identities go with what is in bold.", "replace StatefulSet postgres"]
    assert seen["closed"] == 0
    for line in (
        "~ update ConfigMap app",
        """- data: {"LOG_LEVEL": "info"}""",
        """+ data: {"LOG_LEVEL": "debug"}""",
        f"+ stringData: {SECRET}",
    ):
        assert line in seen["opened"]
    assert "<script>document.title = 'mine'</script>" in seen["opened"]
    assert "hunter" not in seen["opened"]
    assert seen["wide"]


def test_a_preview_that_is_too_long_is_still_whole_on_the_page(tmp_path: Path) -> None:
    seen = browsed(
        preview(*(changed("data", "x" * 300, "y" * 300) for _ in range(3000)), REPLACED), tmp_path, "1200,900"
    )
    assert "The rest is in the workflow's artefact preview-staging." in seen["opened"]
    assert seen["bold"][-1] == "replace StatefulSet postgres"
    assert seen["closed"] == 0
