"""The vertical autoscalers of a stack, on mocks."""

from typing import Any

from components.vertical import VerticalAutoscaling, VerticalAutoscalingArgs
from tests.unit.parts import namespace, settings
from tests.unit.recording import Recording, record


def built(everywhere: str | None = None, **changes: Any) -> Recording:
    """Those of the defaults with some keys changed, in their own namespaces or all in one."""
    chosen = settings(tenancy={"app": {"pods": 100, "cpu": "100", "memory": "100Gi"}}, **changes)

    def program() -> None:
        VerticalAutoscaling(
            "vertical",
            VerticalAutoscalingArgs(
                namespaces={area: namespace(everywhere or area) for area in ("app", "data", "edge")},
                app=chosen.app,
                websocket=chosen.websocket,
                postgres=chosen.postgres,
                redis=chosen.redis,
                edge=chosen.edge,
            ),
        )

    return record(program)
