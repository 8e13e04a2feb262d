"""Serve the policy pack to the engine: `pulumi preview --policy-pack policies` starts this."""

import sys
from pathlib import Path

# Python puts this folder first, where `policies` can't be imported from.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from policies.analyzer import serve  # noqa: E402  it is found only now

serve()
