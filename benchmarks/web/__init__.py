"""The application's requests per second and latencies, beside bare nginx and beside PHP in Apache (S3, service levels).

All run as containers with what a pod of production may take of memory and processor, on the first half of this
machine's cores; who asks, PostgreSQL and Redis have the other half. The contenders take turns, so that a busy moment of
the machine meets all of them.
"""

import json
import re
import secrets
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.commands import CHECKOUT
from benchmarks.containers import MIRROR, cores, credentials, limit, on_other_cores, tell
from components.settings import App
from localcloud.cluster import registry_up
from localcloud.images import buildkit, registry, stand_ins_up
from operations.conformance.bench import SECRETS, Bench, Container, bench, docker, until

_APPLICATION: Final = f"{registry.ADDRESS}/vision-week/app:bench"
_OTHERS: Final = f"{registry.ADDRESS}/vision-week/app-bench:others"
_BARE: Final = f"{MIRROR}/nginxinc/nginx-unprivileged:1.28-bookworm"
_CONNECTIONS: Final = 16
_SECONDS: Final = 4
_ROUNDS: Final = 3
_EXHIBIT: Final = json.dumps({"title": "A lamp", "description": "Brass, 1890. " * 20})
# PHP-FPM as it isn't: what opcache is worth, and what its JIT would be.
_VARIANTS: Final = {
    "without opcache": ("-d", "opcache.enable=0"),
    "with JIT": ("-d", "opcache.jit=tracing", "-d", "opcache.jit_buffer_size=32M"),
}


@dataclass(frozen=True)
class Answers:
    """What one contender made of one kind of request; latencies in milliseconds."""

    per_second: float
    p50: float
    p95: float
    p99: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s; p50 {self.p50:.1f}, p95 {self.p95:.1f}, p99 {self.p99:.1f} ms"


@dataclass(frozen=True)
class Contender:
    """Who is asked.

    url: without a path. cookie: of somebody who is logged in. exhibit: the path of one that is there.
    """

    url: str
    cookie: str = ""
    exhibit: str = ""


def measure() -> Iterator[tuple[str, str, str]]:
    """What is measured, what came of it, the target."""
    with ExitStack() as cleanup:
        cleanup.enter_context(credentials())
        cleanup.enter_context(_images())
        made, ours = _application(cleanup)
        apache = Contender(_apache(made), ours.cookie, ours.exhibit)
        page = httpx.get(f"{ours.url}/").text
        script = re.search(r'src="/?(app\.[0-9a-f]+\.js)"', page)
        if script is None:
            sys.exit("The page names no script with a hash in its name.")
        static = f"/{script[1]}"
        bare = Contender(_bare(made))
        _same_bytes(static, ours, bare)

        answers = _compare("static file", static, {"ours": ours, "bare nginx": bare})
        yield from _rows("static file", answers)
        share = answers["ours"].per_second / answers["bare nginx"].per_second
        yield "  beside bare nginx", f"{share:.2f} x", "at least 0.9 x"
        both = {"ours": ours, "PHP in Apache": apache}
        for kind, path, body in (
            ("/health", "/health", ""),
            ("API read", "/api/exhibits", ""),
            ("API read through PHP", ours.exhibit, ""),
            ("API write", "/api/exhibits", _EXHIBIT),
        ):
            answers = _compare(kind, path, both, body)
            yield from _rows(kind, answers)
            faster = answers["ours"].per_second / answers["PHP in Apache"].per_second
            later = answers["ours"].p99 / answers["PHP in Apache"].p99
            target = "at least 1.5 x, p99 no higher" if kind == "API read" else ""
            yield "  beside PHP in Apache", f"{faster:.2f} x, p99 {later:.2f} x", target
        variants = {name: _application(cleanup, arguments)[1] for name, arguments in _VARIANTS.items()}
        variants["as it is"] = ours
        yield from _rows("API read through PHP", _compare("API read", "", variants))


def _rows(kind: str, answers: Mapping[str, Answers]) -> Iterator[tuple[str, str, str]]:
    for name, answer in answers.items():
        yield f"{kind}, {name}", str(answer), ""


# --- the contenders


def _application(cleanup: ExitStack, fpm: Sequence[str] = ()) -> tuple[Bench, Contender]:
    """The application as production runs it, with a user who is logged in and an exhibit."""
    settings = App()
    made = cleanup.enter_context(
        bench(
            _APPLICATION,
            database=f"{MIRROR}/library/postgres:15-bookworm",
            store=f"{MIRROR}/library/redis:7.4-bookworm",
        )
    )
    on_other_cores(made.database, made.store)
    made.migrate()
    workers = str(settings.php_workers)
    production = {"APP_ENV": "production", "LOG_LEVEL": settings.log_level, "PHP_FPM_WORKERS": workers}
    made.start(production, fpm=fpm)
    limit(made.nginx, settings.nginx_resources)
    limit(made.php, settings.php_resources)
    _until_it_answers(f"{made.public}/health", made.nginx, made.php)
    email, password = "bench@example.org", secrets.token_hex(16)
    docker(
        *("exec", "--interactive", made.php.id, "php", "/var/www/html/bin/create-user.php"),
        *(f"--email={email}", "--password-file=-"),
        stdin=password,
    )
    with httpx.Client(base_url=made.public, headers={"X-Forwarded-Proto": "https"}) as client:
        entered = client.post("/login", json={"email": email, "password": password}).raise_for_status()
        cookie = entered.headers["Set-Cookie"].split(";")[0]
        added = client.post("/api/exhibits", json=json.loads(_EXHIBIT), headers={"Cookie": cookie}).raise_for_status()
    return made, Contender(made.public, cookie, added.headers["Location"])


def _apache(made: Bench) -> str:
    """Debian's Apache with mod_php and the same code, database and store; what it may take is the pod's, in one."""
    settings = App()
    variables = made.variables("app") | {"APP_ENV": "production", "LOG_LEVEL": settings.log_level}
    apache = made.run(
        _OTHERS,
        *("apache2ctl", "-D", "FOREGROUND"),
        options=(
            f"--volume={made.secrets}:{SECRETS}:ro",
            *(f"--env={name}={value}" for name, value in variables.items()),
        ),
    )
    limit(apache, settings.nginx_resources, settings.php_resources)
    _until_it_answers(f"http://{apache.address}/health", apache)
    return f"http://{apache.address}:80"


def _bare(made: Bench) -> str:
    """The image that others put files into, as it comes, with the application's files."""
    files = made.folder / "bare"
    docker("cp", f"{made.nginx.id}:/var/www/html/public", str(files))
    bare = made.run(_BARE, options=(f"--volume={files}:/usr/share/nginx/html:ro",))
    limit(bare, App().nginx_resources)
    _until_it_answers(f"http://{bare.address}:8080/", bare)
    return f"http://{bare.address}:8080"


@contextmanager
def _images() -> Iterator[None]:
    """The application as production has it, and what it is measured beside, on this machine's Docker engine."""
    registry_up(tell)
    contexts = stand_ins_up(tell)
    buildkit.buildkit_up(tell)
    for wanted in (
        buildkit.Build(
            dockerfile=CHECKOUT / "images/app/Dockerfile",
            context=CHECKOUT,
            contexts=contexts,
            names=[_APPLICATION],
            target="production",
        ),
        buildkit.Build(
            dockerfile=Path(__file__).parent / "Dockerfile", arguments={"APPLICATION": _APPLICATION}, names=[_OTHERS]
        ),
    ):
        buildkit.build(wanted, tell)
        # The name is that of an older one's, perhaps.
        docker("pull", "--quiet", *wanted.names)
    try:
        yield
    finally:
        docker("image", "rm", "--force", _APPLICATION, _OTHERS)


# --- the requests


def _compare(kind: str, path: str, contenders: Mapping[str, Contender], body: str = "") -> dict[str, Answers]:
    """What each makes of one kind of request, the medians of its rounds; without a path, of its own exhibit."""
    rounds: dict[str, list[Answers]] = {name: [] for name in contenders}
    for _ in range(_ROUNDS):
        for name, contender in contenders.items():
            tell(f"asking {name}: {kind}")
            rounds[name].append(_ask(contender, path or contender.exhibit, body))
    return {
        name: Answers(
            *(statistics.median(getattr(one, field) for one in made) for field in ("per_second", "p50", "p95", "p99"))
        )
        for name, made in rounds.items()
    }


def _ask(contender: Contender, path: str, body: str) -> Answers:
    with tempfile.TemporaryDirectory(prefix="vision-week-bench-") as folder:
        (Path(folder) / "body").write_text(body)
        # Readers are anybody, as most are.
        (Path(folder) / "cookie").write_text(contender.cookie if body else "")
        told = docker(
            *("run", "--rm", f"--cpuset-cpus={cores(1)}", f"--volume={folder}:/asked:ro", _OTHERS),
            *(
                "wrk",
                "--threads=1",
                f"--connections={_CONNECTIONS}",
                f"--duration={_SECONDS}s",
                "--timeout=10s",
                "--script=/ask.lua",
            ),
            *(f"{contender.url}{path}", "--", "POST" if body else "GET", "/asked"),
        )
    said = json.loads(told.splitlines()[-1])
    if said["failed"]:
        sys.exit(f"{said['failed']} of {said['requests']} requests to {path} failed: the numbers would mean nothing.")
    per_second = said["requests"] / said["microseconds"] * 1e6
    return Answers(per_second, *(said[name] / 1000 for name in ("p50", "p95", "p99")))


def _same_bytes(path: str, *contenders: Contender) -> None:
    """End where they don't return the same file."""
    if len({httpx.get(f"{contender.url}{path}").raise_for_status().content for contender in contenders}) != 1:
        sys.exit(f"{path} isn't the same everywhere: the numbers would mean nothing.")


def _until_it_answers(url: str, *containers: Container) -> None:
    def answers() -> bool:
        try:
            return httpx.get(url).is_success
        except httpx.HTTPError:
            return False

    if not until(answers, *containers):
        sys.exit(f"{url} doesn't answer: {' / '.join(container.last_words() for container in containers)}")
