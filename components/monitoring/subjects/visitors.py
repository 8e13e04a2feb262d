"""What visitors do: a page for those who ask what all this is for."""

from components.monitoring.pages import Dashboard, Panel


def page() -> Dashboard:
    """The page."""

    def in_range(name: str) -> str:
        return f"sum(increase({name}[$__range]))"

    return Dashboard(
        name="business",
        title="Visitors",
        rows={
            "In the time that is shown": (
                Panel(
                    title="Exhibits opened",
                    questions={"": in_range("vision_week_exhibits_viewed_total")},
                    kind="number",
                ),
                Panel(
                    title="Exhibits added",
                    questions={"": in_range("vision_week_exhibits_created_total")},
                    kind="number",
                ),
                Panel(
                    title="Logins",
                    questions={"": in_range('vision_week_logins_total{result="accepted"}')},
                    kind="number",
                ),
                Panel(
                    title="Logins refused",
                    questions={"": in_range('vision_week_logins_total{result!="accepted"}')},
                    kind="number",
                ),
                Panel(title="Uploads", questions={"": in_range("vision_week_uploads_total")}, kind="number"),
                Panel(
                    title="Uploaded",
                    questions={"": in_range("vision_week_upload_bytes_total")},
                    unit="bytes",
                    kind="number",
                ),
            ),
            "Over time": (
                Panel(
                    title="Exhibits opened",
                    questions={"opened": "sum(rate(vision_week_exhibits_viewed_total[$__rate_interval]))"},
                    unit="ops",
                ),
                Panel(
                    title="Logins",
                    questions={"{{result}}": "sum by (result) (rate(vision_week_logins_total[$__rate_interval]))"},
                    unit="ops",
                ),
                Panel(title="Visitors connected", questions={"now": "sum(vision_week_websocket_connections)"}),
            ),
        },
    )
