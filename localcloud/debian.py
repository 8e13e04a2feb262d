"""Debian as a building material: packages for this machine, and trees to make images from.

Images can't be pulled where package registries are the only source, so every image starts from a tree that mmdebstrap
makes of this machine's own package sources. A tree carries the machine's terms with it (sources, proxies, certificate
authorities, pip's index), so that `apt-get install` and `pip install` work in a build exactly where they work outside.
User names and passwords for a registry are never copied: what is in an image can be read by all who have it.
"""

import configparser
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud import apt, files, paths
from localcloud.alone import alone
from localcloud.problem import Problem

RELEASE = "bookworm"

# Raised when the recipe below changes what a tree contains.
RECIPE = 1

AUTHORITIES = Path("/usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

# Settings of apt that say how to reach a source, as opposed to what this machine does with packages.
_REACHING = re.compile(r"^Acquire::(https?::|Check-Date|Check-Valid-Until|Retries|ForceIPv[46])")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy")

# Documentation is a third of a minimal tree and nobody reads it in a container; licences stay.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)

# Translated descriptions of packages make every `apt-get update` in a build slower and are never read there.
_APT_OPTIONS = ('Acquire::Languages "none";',)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How this machine reaches its package registries.

    sources: lines of a sources.list for the release, its updates and its security updates.
    apt: lines of an apt.conf.
    pip: a pip.conf.
    authorities: certificates of the machine's own authorities, file name to PEM.
    """

    sources: tuple[str, ...]
    apt: tuple[str, ...]
    pip: str
    authorities: Mapping[str, str]


def require() -> None:
    """Refuse machines on which nothing of this was ever tried."""
    release = _os_release()
    if release.get("ID") != "debian" or release.get("VERSION_CODENAME") != RELEASE:
        raise Problem(
            f"The local cloud runs on Debian 12 ({RELEASE}); this is {release.get('PRETTY_NAME', 'something else')}.",
            "Use a Debian 12 machine, or your own cluster: set `vision-week:cluster` to a kubeconfig context.",
        )
    if platform.machine() != "x86_64":
        raise Problem(
            f"The local cloud runs on x86-64; this machine is {platform.machine()}.",
            "Use an x86-64 machine, or your own cluster: set `vision-week:cluster` to a kubeconfig context.",
        )
    if os.geteuid() != 0:
        raise Problem(
            "The local cloud needs root: it starts containers, mounts file systems and sets routes.",
            "Run the command as root (`sudo -E make ...`).",
        )


def install(packages: Sequence[str], progress: Callable[[str], None]) -> None:
    """Install packages on this machine; those that are there already cost nothing."""
    missing = [package for package in packages if not _installed(package)]
    if missing:
        require()
        apt.install(missing, progress)


def terms() -> Terms:
    """Read this machine's terms, in whatever form apt and pip keep them."""
    listing = _run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)"], dict(os.environ)
    )
    suites = {RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security"}
    sources: list[str] = []
    for line in listing.stdout.splitlines():
        created_by, uri, suite, component = (line.split() + [""] * 4)[:4]
        source = f"deb {uri} {suite} {component}"
        if created_by != "Packages" or suite not in suites or source in sources:
            continue
        if _CREDENTIALS.search(uri):
            raise Problem(
                f"The package source for {suite} has a password in its address, which would end up in every image.",
                "Give apt a source or a proxy that needs no password for the time of the build, then run this again.",
            )
        sources.append(source)
    if not any(source.split()[2] == RELEASE for source in sources):
        raise Problem(
            f"apt knows no package source for {RELEASE}: {apt.last_lines(listing.stderr) or 'none is configured'}",
            "Configure Debian's archive in /etc/apt/sources.list.d, check it by `apt-get update`, then run this again.",
        )
    dump = _run(["apt-config", "dump"], dict(os.environ)).stdout.splitlines()
    return Terms(
        sources=tuple(sources),
        apt=tuple(line for line in dump if _REACHING.match(line) and not _CREDENTIALS.search(line)),
        pip=_pip_configuration(),
        authorities={file.name: file.read_text() for file in sorted(AUTHORITIES.glob("**/*.crt"))},
    )


def rootfs(packages: Sequence[str], progress: Callable[[str], None]) -> Path:
    """A minimal tree with these packages and all security updates, as a tar in the cache.

    The tar is named by its inputs: asked for again, it is there at once.
    """
    machine = terms()
    wanted = tuple(sorted({"ca-certificates", *packages}))
    tar = paths.cache() / "debian" / f"{RELEASE}-{_key(machine, wanted)}.tar"
    if tar.exists():
        return tar
    tar.parent.mkdir(parents=True, exist_ok=True)
    with alone(tar.with_suffix(".lock")):
        if tar.exists():  # made by another run in the meantime
            return tar
        scratch = tar.with_suffix(".making")
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was interrupted
        scratch.mkdir()
        try:
            install(["mmdebstrap"], progress)
            progress(f"making a Debian tree with {len(wanted)} packages and what they need")
            made = scratch / "tree.tar"
            done = _bootstrap(machine, wanted, scratch, made)
            if done.returncode != 0:
                raise apt.failure("No Debian tree could be made", done.stderr, "apt-get update")
            files.put_in_place(made, tar)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return tar


def _bootstrap(machine: Terms, packages: Sequence[str], scratch: Path, tar: Path) -> subprocess.CompletedProcess[str]:
    (scratch / "apt.conf").write_text("".join(f"{line}\n" for line in (*machine.apt, *_APT_OPTIONS)))
    (scratch / "pip.conf").write_text(machine.pip)
    hooks = [f'--customize-hook=upload "{scratch}/pip.conf" /etc/pip.conf']
    for name, certificate in machine.authorities.items():
        (scratch / name).write_text(certificate)
        hooks.append(f'--customize-hook=upload "{scratch}/{name}" "{AUTHORITIES}/{name}"')
    hooks.append('--customize-hook=chroot "$1" update-ca-certificates')
    # Docker gives every container its own; a copy of this machine's would only mislead.
    hooks.append('--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname" && : > "$1/etc/machine-id"')
    return subprocess.run(
        [
            # It mounts /dev in the tree. In a mount namespace of its own that ends with it, however it ends, so that
            # nobody who clears up after it ever reaches this machine's.
            "unshare",
            "--mount",
            "--propagation=private",
            "mmdebstrap",
            "--variant=minbase",
            "--format=tar",
            "--quiet",
            f"--include={','.join(packages)}",
            f"--aptopt={scratch}/apt.conf",
            *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
            *hooks,
            RELEASE,
            str(tar),
            "-",
        ],
        input="".join(f"{source}\n" for source in machine.sources),
        env={**os.environ, "TMPDIR": str(scratch), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def _key(machine: Terms, packages: Sequence[str]) -> str:
    authorities = [f"{name}\n{certificate}" for name, certificate in machine.authorities.items()]
    parts = [
        str(RECIPE),
        *packages,
        *machine.sources,
        *machine.apt,
        machine.pip,
        *authorities,
        *_DPKG_OPTIONS,
        *_APT_OPTIONS,
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _pip_configuration() -> str:
    """What pip is told on this machine about where packages come from, as one pip.conf."""
    told = configparser.ConfigParser(interpolation=None)
    told.read(["/etc/pip.conf", Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"])
    lines = ["[global]", f"cert = {BUNDLE}"]
    for key in _PIP_KEYS:
        value = os.environ.get(f"PIP_{key.replace('-', '_').upper()}") or told.get("global", key, fallback="")
        if value and not _CREDENTIALS.search(value):
            lines.append(f"{key} = " + "\n    ".join(value.split()))
    return "\n".join(lines) + "\n"


def _installed(package: str) -> bool:
    status = _run(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", package], dict(os.environ))
    return status.stdout.startswith("ii")


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: command not found")
