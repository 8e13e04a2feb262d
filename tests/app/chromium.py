"""How a test starts the browser."""

HEADLESS = (
    "chromium",
    "--headless",
    # A test's machine may be a container, which can't make another one.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
)
