"""Stand-ins in the local registry: built where they aren't there yet, in parallel, each after those it starts from."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path

from localcloud import debian, dockerfile
from localcloud.cluster import pki
from localcloud.images import buildkit, catalogue, registry
from localcloud.images.catalogue import STAND_INS, StandIn

# Raised when the code here changes what an image contains.
RECIPE = 1

# One more than the two cores that the local cloud is made for: while one installs, the next downloads.
_AT_ONCE = 3


def stand_ins_up(progress: Callable[[str], None]) -> dict[str, str]:
    """Have every stand-in in the local registry. Gives what replaces a stage of our Dockerfiles: stage -> image.

    The mapping is what the docker-build plugin reads, as JSON, in LOCALCLOUD_BUILD_CONTEXTS. Asks the registry and
    nothing else where nothing is missing.
    """
    tree = debian.rootfs((), progress)
    keys = keys_of(tree)
    with registry.connect() as connection:
        missing = [stand_in for stand_in in STAND_INS if not _is_there(connection, stand_in, keys[stand_in.name])]
    if missing:
        buildkit.buildkit_up(progress)
        _build_all(missing, tree, keys, progress)
    return build_contexts(keys)


def build_contexts(keys: Mapping[str, str]) -> dict[str, str]:
    """What takes the place of each replaced stage."""
    return {
        stand_in.name: f"docker-image://{stand_in.names(keys[stand_in.name])[0]}"
        for stand_in in STAND_INS
        if stand_in.replaces_stage
    }


def request(stand_in: StandIn, tree: Path, keys: Mapping[str, str]) -> buildkit.Build:
    """The build of one stand-in. The base is made of the Debian tree, which is therefore its context."""
    contexts = build_contexts(keys)
    stages = {base.name for base in _bases(stand_in) if base.replaces_stage}
    is_base = stand_in is STAND_INS[0]
    return buildkit.Build(
        dockerfile=stand_in.folder / "Dockerfile",
        names=[str(name) for name in stand_in.names(keys[stand_in.name])],
        context=tree.parent if is_base else stand_in.content,
        arguments={"ROOTFS": tree.name} if is_base else _authority(stand_in),
        labels={catalogue.LABEL: "true", catalogue.LABEL_FOR: stand_in.stands_in_for},
        contexts={stage: contexts[stage] for stage in stages},
    )


def _authority(stand_in: StandIn) -> dict[str, str]:
    return {"GOOGLE_AUTHORITY": pki.authority(pki.GOOGLE).certificate.decode()} if stand_in.trusts_google else {}


def _build_all(missing: list[StandIn], tree: Path, keys: Mapping[str, str], progress: Callable[[str], None]) -> None:
    names = {stand_in.name: stand_in for stand_in in missing}
    order = TopologicalSorter(
        {name: {base.name for base in _bases(stand_in)} & names.keys() for name, stand_in in names.items()}
    )
    order.prepare()
    running: dict[Future[buildkit.Built], str] = {}
    doing: dict[str, str] = {}

    def build(name: str) -> buildkit.Built:
        def tell(text: str) -> None:
            doing[name] = text
            progress("building " + ", ".join(f"{other} ({step})" for other, step in list(doing.items())))

        return buildkit.build(request(names[name], tree, keys), tell)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        try:
            while order.is_active():
                running |= {pool.submit(build, name): name for name in order.get_ready()}
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    done.result()
                    name = running.pop(done)
                    doing.pop(name, None)
                    order.done(name)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _is_there(connection: registry.Registry, stand_in: StandIn, key: str) -> bool:
    """Whether the registry has what these inputs give, under every name."""
    digests = {connection.digest(name) for name in stand_in.names(key)}
    return len(digests) == 1 and None not in digests


def _bases(stand_in: StandIn) -> list[StandIn]:
    known = catalogue.by_reference()
    return [known[image] for image in dockerfile.images((stand_in.folder / "Dockerfile").read_text()) if image in known]


def keys_of(tree: Path) -> dict[str, str]:
    """A key for each stand-in: a hash of what it is made of, of its labels and of the keys of what it starts from."""
    keys: dict[str, str] = {}
    by_name = {stand_in.name: stand_in for stand_in in STAND_INS}
    for name in TopologicalSorter(
        {name: {base.name for base in _bases(s)} for name, s in by_name.items()}
    ).static_order():
        stand_in = by_name[name]
        digest = hashlib.sha256(f"{RECIPE}\0{tree.name}\0{stand_in.stands_in_for}".encode())
        for argument in _authority(stand_in).values():
            digest.update(f"\0{argument}".encode())
        for base in sorted(base.name for base in _bases(stand_in)):
            digest.update(f"\0{keys[base]}".encode())
        for folder in filter(None, (stand_in.folder, stand_in.content)):
            for file in _files(folder):
                digest.update(f"\0{file.relative_to(folder)}\0{file.stat().st_mode & 0o111}\0".encode())
                digest.update(file.read_bytes())
        keys[name] = digest.hexdigest()[:16]
    return keys


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
