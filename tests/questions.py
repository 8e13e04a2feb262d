"""What a dashboard asks, as Prometheus is asked it."""


def for_prometheus(expr: str) -> str:
    """The question with what Grafana puts in the place of its own variables, and of choices when all is chosen."""
    return (
        expr.replace("$__rate_interval", "1m")
        .replace("$__range", "1h")
        .replace("$namespace", ".+")
        .replace("$pod", ".+")
    )
