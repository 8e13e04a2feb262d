"""What the application must know of the edge in front of it."""

from components.settings import EdgeBase


def nginx_settings(settings: EdgeBase) -> dict[str, str]:
    """The files of `images/app/nginx/settings` that the edge asks to be otherwise, by name."""
    if settings.websocket_host is None:
        return {}
    source = f"wss://{settings.authority_of(settings.websocket_host)}"
    return {"websocket-source.conf": f'map "" $websocket_source {{\n    default "{source}";\n}}\n'}
