"""Where the local cloud keeps things: nothing inside the checkout.

The cache may be deleted at any time and costs only the time to make it again. The state belongs to what is running, and
goes with `make down`.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

# Locks of the machine, whose engine and whose one cluster all users and all caches share.
LOCKS = Path("/run/lock/vision-week")


def cache() -> Path:
    """Built binaries, base images and the registry's content: `$XDG_CACHE_HOME/vision-week`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vision-week"


def state() -> Path:
    """Certificates, etcd's data, Pulumi's state: `$XDG_STATE_HOME/vision-week`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "vision-week"
