"""Images on one machine: BuildKit, stand-ins for what can't be pulled, and the local registry that serves them.

Used from outside: `buildkit_up`, `buildkit_down`, `stand_ins_up`, `publish_binary`, `logs`.
"""

from localcloud.images import logs
from localcloud.images.binaries import publish_binary
from localcloud.images.buildkit import buildkit_down, buildkit_up
from localcloud.images.stand_ins import stand_ins_up

__all__ = ["buildkit_down", "buildkit_up", "logs", "publish_binary", "stand_ins_up"]
