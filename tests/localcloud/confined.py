"""Containers as the platform's pods run them: user 1000, a read-only root, no rights."""

from typing import Final

from localcloud.docker import DockerFailed, docker
from tests.waiting import wait_for

# What the pods allow a container, as options of `docker run`.
CONFINED: Final = (
    "--read-only",
    "--user=1000:1000",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:mode=1777",
)


class Container:
    """A container that goes on running while a test looks at it."""

    def __init__(self, image: str, *command: str, options: tuple[str, ...] = ()) -> None:
        self.id = docker("run", "--detach", *CONFINED, *options, image, *command)

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", "--volumes", self.id)

    def execute(self, *command: str) -> str:
        return docker("exec", self.id, *command)

    def until(self, expected: str, *command: str) -> None:
        """Wait until a command in the container prints this."""

        def printed() -> bool:
            try:
                return expected in self.execute(*command)
            except DockerFailed as failure:
                return expected in failure.message

        try:
            wait_for(printed, f"{expected!r} from {' '.join(command)}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{docker('logs', self.id)}") from None

    def require_confined(self) -> None:
        """It runs, as nobody in particular, and can write to nothing but what it was given."""
        assert self.execute("sh", "-c", "id -u; id -g").split() == ["1000", "1000"]
        refused = self.execute("sh", "-c", "touch /etc/x /usr/x /var/x 2>&1 || true").splitlines()
        assert len(refused) == 3
        assert all("Read-only file system" in line for line in refused)

    @property
    def ip(self) -> str:
        return docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.id)
