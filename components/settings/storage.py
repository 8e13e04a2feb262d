"""Where volumes and images come from."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from components.catalogue import CATALOGUE
from components.values import LATER, Format, Name, Short, Strict, Text, form


class Snapshots(Strict):
    """Snapshots of volumes: the second line behind the databases' own backups."""

    enabled: bool = True
    """Make them (S11.2)."""
    every_hours: Literal[1, 2, 3, 4, 6, 8, 12, 24] = 24
    """Hours between two snapshots, a part of the day: 1 to 24 (S11.2)."""
    keep_days: int = Field(default=14, ge=1, le=365)
    """Days that a snapshot is kept, 1 to 365 (S11.2: configurable retention)."""


class Storage(Strict):
    """Where claims get their volumes from."""

    class_name: Name = "fast-ssd"
    """Of the class for databases, cluster-wide: two stacks in one cluster need two; 40 characters at most (S11.1)."""
    provisioner: Text = "pd.csi.storage.gke.io"
    """CSI driver of that class (S11.1)."""
    parameters: dict[str, str] = Field(
        default_factory=lambda: {"type": "pd-ssd", "replication-type": "regional-pd"},
    )
    """Passed to the driver unchanged; the keys are the driver's (S11.1)."""
    retain: bool = True
    """Volumes outlive their claims (DESIGN: stateful things are protected)."""
    shared_class: Name = "shared-rwx"
    """The class whose volumes many pods may mount, for uploads, and whose backups are the cluster's own; where the
    program makes the cluster, uploads are in a bucket instead; 40 characters at most (S2.3)."""
    shared_access: Literal["ReadWriteMany", "ReadWriteOnce"] = "ReadWriteMany"
    """How they do; ReadWriteOnce will do where there is one node, and the class knows no better (kind) (S2.3)."""
    uploads_days: int = Field(default=30, ge=1, le=365)
    """Days in which an upload that is gone, or was written over, can be had back from the bucket that the program makes
    on GKE, 1 to 365 (service levels: backups)."""
    snapshots: Snapshots = Snapshots()
    """Of the volumes of this class, where the program makes the cluster (S11.2)."""


def _in_catalogue(name: str) -> str:
    if name not in CATALOGUE:
        raise ValueError(f"is not in the catalogue, which has only {', '.join(sorted(CATALOGUE))}")
    return name


def _all(value: Any) -> Any:
    return sorted(CATALOGUE) if value == "all" else value


CatalogueName = Annotated[
    str, AfterValidator(_in_catalogue), Format(f"^({'|'.join(sorted(CATALOGUE))})$", ", ".join(sorted(CATALOGUE)))
]


OURS = ("app", "postgres", "websocket")
_FIXABLE = sorted({*OURS, *CATALOGUE})
FixedName = Annotated[str, form(f"^({'|'.join(_FIXABLE)})$", ", ".join(_FIXABLE))]
FixedReference = Annotated[
    str, form(r"^\S+@sha256:[0-9a-f]{64}$", "a reference by digest: registry.example/app@sha256:…")
]


ImagePrefix = Annotated[
    str,
    form(
        r"^[a-z0-9][-a-z0-9.]*(:\d+)?(/[a-z0-9][-a-z0-9._]*)+$",
        "a registry and a path in lower case, without https:// and tag: registry.example/vision-week",
    ),
]


class Images(Strict):
    """Where our images go, and what is expected of other people's."""

    registry: ImagePrefix
    """Prefix of our images' names: host, perhaps a port, and a path (S1, beyond)."""
    app_target: Literal["production", "development"] = "production"
    """Stage of the application's Dockerfile; `development` has the debugger (S1.4)."""
    allow_unpinned: Annotated[
        tuple[CatalogueName, ...],
        Field(strict=False),
        BeforeValidator(_all),
        Short({"const": "all", "description": "Short for every name in the catalogue."}),
    ] = ()
    """Names in the catalogue that may run without a digest, or `all` (DECISIONS: images of others)."""
    fixed: dict[FixedName, FixedReference] = Field(default_factory=dict)
    """Image -> the reference, by digest, that runs in place of what is built or in the catalogue. A roll-back names
    here what ran before; a stack's file has no use for it (DECISIONS: rollback)."""
    promoted_from: ImagePrefix | None = None
    """Prefix of the names under which another stack has built the release, as its `images.registry` says: it is looked
    up there and copied, bit by bit, and can't be built (DECISIONS: promotion)."""
    flutter: Annotated[str, form(r"^3\.\d+\.\d+$", 'a version of Flutter, in quotes: "3.24.5"')] = "3.24.5"
    """Version of Flutter that builds the front end (S1.1)."""
    php: Annotated[str, form(r"^8\.[2-9]$", 'a version of PHP, in quotes: "8.2"'), LATER] = "8.2"
    """Version of PHP that runs the application (S1.1)."""


# What components/app.py tells the application. The two passwords are only variables where somebody asks for that.
VARIABLES = (
    "APP_ENV",
    "APP_VERSION",
    "DATABASE_CA_FILE",
    "DATABASE_HOST",
    "DATABASE_NAME",
    "DATABASE_PASSWORD_FILE",
    "DATABASE_PORT",
    "DATABASE_SSLMODE",
    "DATABASE_USER",
    "LOGINS_PER_MINUTE",
    "LOG_LEVEL",
    "REDIS_CA_FILE",
    "REDIS_HOST",
    "REDIS_PASSWORD_FILE",
    "REDIS_PORT",
    "REDIS_USER",
    "SESSION_LIFETIME",
    "UPLOADS_PATH",
    "UPLOAD_LIMIT",
    "WEBSOCKET_PATH",
)
PASSWORDS = {"DATABASE_PASSWORD": "database-password", "REDIS_PASSWORD": "redis-password"}
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def _variable(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"has {name!r}, which is no variable's name; write capital letters, digits and underscores")


def _renamed(names: dict[str, str]) -> dict[str, str]:
    known = (*VARIABLES, *PASSWORDS)
    for ours, theirs in names.items():
        if ours not in known:
            raise ValueError(f"has {ours}, which the platform doesn't set; it sets {', '.join(sorted(known))}")
        _variable(theirs)
    return names


def _constants(values: dict[str, str]) -> dict[str, str]:
    for name in values:
        _variable(name)
    return values


class Source(Strict):
    """Where the application's own code comes from, and what it calls what it is told."""

    path: Text | None = None
    """A folder, relative to the program; without it and `git` the reference application in `app/` (S1.1)."""
    git: (
        Annotated[
            str,
            form(
                r"^https://[^\s@#]+\.git$",
                "an address without a password that ends in .git: https://git.example/app.git",
            ),
        ]
        | None
    ) = None
    """A Git repository, without credentials in its address (S1.1, S12.2)."""
    reference: Annotated[str, form(r"^[0-9a-f]{40}$", "a commit in full: 40 hexadecimal digits, in quotes")] | None = (
        None
    )
    """Commit of it, in full: a branch or a tag moves (S12.2)."""
    document_root: Annotated[
        str,
        form(r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$", "one folder of the application, like public"),
    ] = "public"
    """The folder that nginx serves, relative to the application (S1)."""
    variables: Annotated[dict[str, str], AfterValidator(_renamed)] = Field(default_factory=dict)
    """Our name of an environment variable -> the name that the application reads. `DATABASE_PASSWORD` and
    `REDIS_PASSWORD` are only set where they stand here: weaker than the files, since a variable shows in crash dumps
    and a rotated one needs a restart (S1)."""
    constants: Annotated[dict[str, str], AfterValidator(_constants)] = Field(default_factory=dict)
    """Variables that the application reads besides, with their values; no secrets (S1)."""

    @property
    def location(self) -> str | None:
        """What takes the place of the reference application in the build; None where nothing does."""
        return f"{self.git}#{self.reference}" if self.git else self.path
