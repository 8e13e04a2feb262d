"""The machine's real apt, in a copy of its system: packages without their services, and what stands in apt's way."""

import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.localcloud import sandbox

POLICY = Path("/usr/sbin/policy-rc.d")

# A package as Debian's own are that bring a service: it starts now, and with the machine.
POSTINST = """\
#!/bin/sh
set -e
deb-systemd-helper enable tried.service
update-rc.d tried defaults
invoke-rc.d tried start
"""
SERVICE = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides: tried
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop:
### END INIT INFO
touch /var/lib/tried-is-started
"""
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"

LOOK = """
import subprocess, sys
from pathlib import Path
from localcloud import apt

package, policy = sys.argv[1:]
# Services are started on a machine that runs; that it does is said by this.
Path("/usr/sbin/runlevel").unlink()
Path("/usr/sbin/runlevel").write_text("#!/bin/sh\\necho N 2\\n")
Path("/usr/sbin/runlevel").chmod(0o755)
Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
if policy:
    Path("/usr/sbin/policy-rc.d").write_text(policy)
    Path("/usr/sbin/policy-rc.d").chmod(0o755)

def look(when):
    enabled = subprocess.run(["systemctl", "is-enabled", "tried.service"], capture_output=True, text=True).stdout
    print(when, Path("/var/lib/tried-is-started").exists(), enabled.strip())
    Path("/var/lib/tried-is-started").unlink(missing_ok=True)

subprocess.run(["apt-get", "install", "--yes", package], check=True, capture_output=True)
look("by hand:")
subprocess.run(["dpkg", "--purge", "tried"], check=True, capture_output=True)
subprocess.run(["systemctl", "disable", "tried.service"], capture_output=True)
apt.install([package], lambda _: None)
look("by the local cloud:")
print("policy:", Path("/usr/sbin/policy-rc.d").read_text() if policy else Path("/usr/sbin/policy-rc.d").exists())
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def package(folder: Path, postinst: str = POSTINST) -> str:
    """Build a Debian package with a service."""
    tree = folder / "tried"
    written = {
        "DEBIAN/control": "Package: tried\nVersion: 1\nArchitecture: all\nMaintainer: tests\nDescription: a service\n",
        "DEBIAN/postinst": postinst,
        "etc/init.d/tried": SERVICE,
        "lib/systemd/system/tried.service": UNIT,
    }
    for name, text in written.items():
        file = tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, folder], check=True, capture_output=True)
    return str(folder / "tried_1_all.deb")


def test_a_service_that_comes_with_a_package_stays_off(tmp_path: Path, scratch: Path) -> None:
    """PostgreSQL, Redis and nginx ran after `make test` on a machine whose owner had asked for none of them."""
    said = sandbox.python(scratch, LOOK, package(tmp_path), "").splitlines()
    assert said == ["by hand: True enabled", "by the local cloud: False disabled", "policy: False"]


def test_a_policy_of_the_persons_own_is_left_alone(tmp_path: Path, scratch: Path) -> None:
    theirs = "#!/bin/sh\n# theirs\nexit 0\n"
    said = sandbox.python(scratch, LOOK, package(tmp_path), theirs)
    assert said.endswith(f"policy: {theirs}\n")


def test_a_policy_that_a_killed_run_left_forbids_nobody_anything(scratch: Path) -> None:
    code = """
        import subprocess
        from localcloud import apt
        with apt._services_off():
            by_hand = subprocess.run(["/usr/sbin/policy-rc.d", "tried", "start"]).returncode
            ours = apt._run(["/usr/sbin/policy-rc.d", "tried", "start"]).returncode
        print(by_hand, ours)
    """
    code = textwrap.dedent(code).replace(
        "import subprocess\n", f"import subprocess\nfrom pathlib import Path\nPath({str(POLICY)!r}).unlink(True)\n", 1
    )
    assert sandbox.python(scratch, code) == "0 101\n"


def test_an_installation_that_was_cut_short_is_completed_first(tmp_path: Path, scratch: Path) -> None:
    begun = tmp_path / "begun"
    slow = f"#!/bin/sh\ntest -e {tmp_path}/go && exit 0\ntouch {begun}\nexec sleep 600\n"
    code = """
        import os, signal, subprocess, sys, time
        from pathlib import Path
        from localcloud import apt

        package, begun, go = sys.argv[1:]
        with subprocess.Popen(["apt-get", "install", "--yes", package], start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            while not Path(begun).exists():
                assert first.poll() is None
            os.killpg(first.pid, signal.SIGKILL)
        # dpkg itself runs in a group of its own
        subprocess.run(["fuser", "--kill", "--silent", "/var/lib/dpkg/lock"])
        Path(go).touch()
        apt.install([package], print)
        print(subprocess.run(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", "tried"],
            capture_output=True, text=True).stdout)
    """
    said = sandbox.python(
        scratch, textwrap.dedent(code), package(tmp_path, slow), str(begun), str(tmp_path / "go")
    ).splitlines()
    assert "completing an interrupted installation" in said
    assert said[-1].strip() == "ii"


def test_a_package_source_that_can_not_be_reached_is_named(scratch: Path) -> None:
    """The discard port: nobody listens there."""
    code = """
        from pathlib import Path
        from localcloud import apt
        from localcloud.problem import Problem

        for file in Path("/etc/apt/sources.list.d").iterdir():
            file.unlink()
        Path("/etc/apt/sources.list").write_text("deb http://127.0.0.1:9/debian bookworm main")
        try:
            apt.install(["hello-traditional"], lambda _: None)
        except Problem as problem:
            print(problem)
    """
    said = sandbox.python(scratch, textwrap.dedent(code), environment={"no_proxy": "*"})
    assert "apt can't install hello-traditional: 127.0.0.1:9 can't be reached" in said
    assert "apt-get update && apt-get install hello-traditional" in said


def test_another_apt_is_waited_for_and_then_named(tmp_path: Path, scratch: Path) -> None:
    code = """
        import fcntl, sys
        from localcloud import apt
        from localcloud.problem import Problem

        apt.LOCK_TIME = 1
        held = open("/var/lib/dpkg/lock-frontend", "w")
        fcntl.lockf(held, fcntl.LOCK_EX)
        try:
            apt.install([sys.argv[1]], lambda _: None)
        except Problem as problem:
            print(problem)
    """
    said = sandbox.python(scratch, textwrap.dedent(code), package(tmp_path))
    assert "another program has held apt's lock" in said
