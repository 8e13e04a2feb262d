"""`python -m vision_week_websocket`: what the image runs."""

import asyncio

from . import log
from .service import Service
from .settings import Settings


def main() -> None:
    settings = Settings.from_environment()
    log.configure(settings.log_level)
    asyncio.run(Service(settings).run())


if __name__ == "__main__":
    main()
