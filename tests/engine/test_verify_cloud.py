"""A stack that is made to verify, and removed: the real program, engine and API server, on the simulated Google Cloud.

Pods are played, and `gcloud` is a stand-in. So of the claims those alone are tried here that the program and the API
server answer; what needs Google says that it was not tried.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.google.pipeline import CHANGES
from localcloud import paths, toolchain
from localcloud.plugins.gcp import cloud, kinds
from localcloud.rehearsal import clusters
from localcloud.rehearsal.surroundings import Project, surroundings
from operations.delivery.problem import DeliveryError, Exit
from operations.preflight import Google
from operations.verify_cloud import run
from operations.verify_cloud.claim import Claim, Needs
from operations.verify_cloud.claims import CLAIMS, LEFT_OUT
from operations.verify_cloud.place import Place, folders
from operations.verify_cloud.report import Report, Verdict
from operations.verify_cloud.settings import Site
from tests.engine import stand_in_gcloud
from tests.unit.answering import answering
from tests.unit.google_api import Answers
from tests.waiting import wait_for

pytestmark = pytest.mark.engine

REGION = "europe-west1"
NUMBERS = {
    "verify-whole": 100000000021,
    "verify-broken": 100000000022,
    "verify-interrupted": 100000000023,
    "verify-kept": 100000000024,
}
SIMULATED = frozenset({Needs.PROGRAM, Needs.API_SERVER})
# What the command does, for another Google than the real one.
VERIFIES = """
import json, sys
from operations.preflight import Google
from operations.verify_cloud import command, run
from operations.verify_cloud.settings import Site

address, site = sys.argv[1], Site(**json.loads(sys.argv[2]))

def verifies(prog_name):
    google = Google("a-token", lambda _api: address)
    run.verify(site, google, show=lambda _: None, consent=lambda: None, say=print, claims=())

command.app = verifies
command.main()
"""


def site(project: str) -> Site:
    return Site(name=f"verify-{NUMBERS[project] % 1000:08x}", project=project, number=NUMBERS[project], region=REGION)


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty Google Cloud around this process; gives the address of its APIs."""
    folder = tmp_path_factory.mktemp("verify")
    toolchain.build((*clusters.PLAYED_PROGRAMS, "kubectl"), lambda _: None)
    projects = [Project(name, number) for name, number in NUMBERS.items()]
    kind = type("Own", (Answers,), {"numbers": NUMBERS, "instead": {}, "asked": []})
    with (
        surroundings(folder, projects, lambda progress: clusters.of_its_own(folder / "plane", progress)) as environment,
        pytest.MonkeyPatch.context() as patch,
        answering(kind) as address,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        for name in ("KUBECONFIG", "CLOUDSDK_CORE_PROJECT"):
            patch.setenv(name, "")  # what it is set to goes with the tests
        patch.setenv("DOCKER_CONFIG", str(docker_login(folder, environment["DOCKER_CONFIG"])))
        programs = folder / "programs"
        programs.mkdir()
        words = shlex.join([sys.executable, "-P", stand_in_gcloud.__file__])
        (programs / "gcloud").write_text(f'#!/bin/sh\nPYTHONPATH={paths.CHECKOUT} exec {words} "$@"\n')
        (programs / "gcloud").chmod(0o755)
        path = [programs, toolchain.binary("kubectl").parent, environment["PATH"]]
        patch.setenv("PATH", os.pathsep.join(map(str, path)))
        yield address


def docker_login(folder: Path, local: str) -> Path:
    """The local registry's login, and a word that there is one for Google's."""
    there = folder / "docker"
    there.mkdir()
    config = json.loads(Path(local, "config.json").read_text())
    config["credHelpers"] = {f"{REGION}-docker.pkg.dev": "gcloud"}
    (there / "config.json").write_text(json.dumps(config))
    return there


def google_at(address: str) -> Google:
    return Google("a-token", lambda _api: address)


def verified(project: str, address: str, *claims: Claim, keep: bool = False) -> Report:
    return run.verify(
        site(project),
        google_at(address),
        show=lambda _: None,
        consent=lambda: None,
        say=lambda _: None,
        keep=keep,
        claims=claims,
        within=SIMULATED,
    )


def forbid_clusters(project: str) -> None:
    """Whoever runs it may make keys and networks there, and no cluster."""
    with cloud.world() as world:
        world.projects[project].roles = [each for each in CHANGES if each != "container.admin"]


def left(project: str) -> set[str]:
    """Kinds of what is still there in a project, but for what stays enabled, and keys, which nobody can delete."""
    with cloud.world() as world:
        found = {
            token
            for token, things in world.things.items()
            for name, thing in things.items()
            if project in name or thing.inputs.get("project") == project
        }
    return found - {kinds.SERVICE, kinds.SERVICE_IDENTITY, kinds.KEY_RING, kinds.KEY}


def backed_up(place: Place) -> str:
    """What PostgreSQL does as soon as it runs."""
    address = f"{os.environ['STORAGE_EMULATOR_HOST']}/upload/storage/v1/b/{place.backups}/o"
    httpx.post(
        address, params={"uploadType": "media", "name": "archive/1"}, content=b"1", trust_env=False
    ).raise_for_status()
    return "an object"


def test_a_stack_is_made_looked_at_and_removed_with_what_is_in_its_buckets(google: str) -> None:
    report = verified("verify-whole", google, *CLAIMS, Claim("a backup", "here", Needs.PROGRAM, backed_up))
    assert report.code == Exit.DONE
    tried = {each.claim: each.verdict for each in report.results if each.verdict != Verdict.NOT_TRIED}
    assert tried == dict.fromkeys(
        [
            "The second update changes nothing",
            "No namespace but the nodes' takes a pod that sees the node's processes",
            "No account of a pod may read Secrets",
            "a backup",
        ],
        Verdict.VERIFIED,
    )
    # What was not tried says so by name, and is no more and no less than all the rest.
    untried = {each.claim: each.seen for each in report.of(Verdict.NOT_TRIED)}
    assert set(untried) == ({each.what for each in CLAIMS} | set(LEFT_OUT)) - set(tried)
    assert untried["An image from elsewhere is refused"] == "needs GKE's nodes"
    assert untried["Nodes are private"] == "needs Google's APIs"
    assert [(each.title, each.problem) for each in report.steps] == [
        ("an address, and a listing of what there is", None),
        ("up, from an empty project", None),
        ("a way into the cluster", None),
        ("destroy", None),
        ("nothing is left", None),
    ]
    assert left("verify-whole") == set()
    # Of what was on this machine the report alone is kept.
    folder = folders() / report.stack
    assert [each.name for each in folder.iterdir()] == ["report.md"]
    assert "Nothing that was found" in (folder / "report.md").read_text()


@pytest.mark.drill
def test_a_step_that_fails_half_way_removes_what_was_made_and_is_named(
    google: str, capfd: pytest.CaptureFixture[str]
) -> None:
    forbid_clusters("verify-broken")
    never = Claim("something", "here", Needs.PROGRAM, lambda _: "seen")
    with pytest.raises(DeliveryError, match="could not be made") as failed:
        verified("verify-broken", google, never)
    assert failed.value.code == Exit.BROKEN
    told = (folders() / site("verify-broken").name / "report.md").read_text()
    steps = [line.split(" | ") for line in told.splitlines() if line.startswith("| up, from")]
    assert [step[2] for step in steps] == ["The stack could not be made: see above. |"]
    assert "| something | here | **not tried** | it did not come to it |" in told
    assert re.search(r"- \d\d+ deleted", capfd.readouterr().out)  # it had come as far as its keys
    assert left("verify-broken") == set()


@pytest.mark.drill
def test_what_was_kept_is_removed_on_demand(google: str) -> None:
    forbid_clusters("verify-kept")
    with pytest.raises(DeliveryError, match="could not be made"):
        verified("verify-kept", google, keep=True)
    name = site("verify-kept").name
    assert left("verify-kept") != set()
    assert "The stack, on purpose." in (folders() / name / "report.md").read_text()
    assert run.remove(name, google_at(google), lambda _: None).code == Exit.DONE
    assert left("verify-kept") == set()
    assert [each.name for each in (folders() / name).iterdir()] == ["report.md"]


def test_an_interrupt_removes_what_was_made(google: str) -> None:
    given = json.dumps(vars(site("verify-interrupted")))
    with subprocess.Popen(
        [sys.executable, "-P", "-c", VERIFIES, google, given],
        env={**os.environ, "PYTHONPATH": str(paths.CHECKOUT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            wait_for(lambda: ring_of("verify-interrupted") or process.poll() is not None, "the first keys")
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate()
        finally:
            process.kill()
    assert process.returncode == Exit.INTERRUPTED
    assert "Looking whether anything is left" in said
    assert left("verify-interrupted") == set()
    folder = folders() / site("verify-interrupted").name
    assert "| up, from an empty project |" in (folder / "report.md").read_text()
    assert [each.name for each in folder.iterdir()] == ["report.md"]


def ring_of(project: str) -> bool:
    with cloud.world() as world:
        return any(project in name for name in world.of(kinds.KEY_RING))
