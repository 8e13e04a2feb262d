"""The plugin as the engine starts it."""

from localcloud.plugins.gcp.provider import SimulatedGoogleCloud
from localcloud.plugins.server import serve

serve(SimulatedGoogleCloud())
