"""The numbers of this pod for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """One registry a service, so that two in one process don't share numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "vision_week_websocket_"
        self.connections = Gauge(f"{name}connections", "Clients connected now.", registry=self.registry)
        self.handshakes = Counter(
            f"{name}handshakes", "Attempts to connect by result.", ["result"], registry=self.registry
        )
        self.received = Counter(
            f"{name}messages_received", "Messages of clients by result.", ["result"], registry=self.registry
        )
        self.delivered = Counter(f"{name}messages_delivered", "Messages sent to clients.", registry=self.registry)
        self.dropped = Counter(
            f"{name}clients_dropped",
            "Clients whose connection we ended, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.redis = Gauge(f"{name}redis_connected", "1 while subscribed to Redis.", registry=self.registry)
        # A series that appears with its first event hides that event from rate().
        for result in ("accepted", "origin", "full", "draining", "path"):
            self.handshakes.labels(result)
        for result in ("published", "history", "malformed", "limited", "failed"):
            self.received.labels(result)
        for reason in ("slow", "limited", "drained"):
            self.dropped.labels(reason)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
