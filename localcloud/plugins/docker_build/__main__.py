"""The plugin as the engine starts it."""

from localcloud.plugins.docker_build.provider import DockerBuild
from localcloud.plugins.server import serve

serve(DockerBuild())
