"""As many workers as the settings derive from the memory limit really fit it, each with all that it may take."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.bounds import php_variables
from components.settings import App, Timeouts
from tests.app.processes import children
from tests.app.servers import Postgres, Redis
from tests.app.site import EMAIL, PASSWORD, Site
from tests.waiting import wait_for

# What images/app/php/production.ini gives to opcache and to the counters: all of it, though little is used here.
SHARED = (64 + 8) * 2**20

# Takes what memory_limit leaves but for half a mebibyte, and keeps it until a file is there.
FILL = """
    new Route('GET', '/api/fill', function (Request $request) {
        $this->checks->run();
        $all = str_repeat('x', ini_parse_quantity(ini_get('memory_limit')) - memory_get_usage(true) - 2 ** 19);
        touch(sys_get_temp_dir() . '/full-' . getmypid());
        while (!is_file(sys_get_temp_dir() . '/enough')) {
            clearstatcache();
            usleep(50_000);
        }
        return Response::json(['bytes' => strlen($all), 'limit' => ini_get('memory_limit')]);
    }),
"""


def test_workers_that_take_all_they_may_fit_the_memory_of_the_pod(
    folder: Path, postgres: Postgres, redis: Redis, site: Site
) -> None:
    """S6, beyond. Counted is what a control group would: memory of the processes' own, and what they share once."""
    assert site.uploads.is_dir()  # it made the schema and the user
    app = App()
    full = Site(folder / "full", postgres, redis, environment=dict(php_variables(app, Timeouts())), routes=FILL)
    full.start()
    places = full.folder / "tmp"
    try:
        with ThreadPoolExecutor(app.php_workers) as pool:
            for number in range(5 * app.php_workers):
                with full.client(f"198.51.102.{number}") as client:
                    assert client.post("/login", json={"email": EMAIL, "password": PASSWORD}).status_code == 200
            visitors = [full.client(f"198.51.103.{number}") for number in range(app.php_workers)]
            asked = [pool.submit(visitor.get, "/api/fill") for visitor in visitors]
            wait_for(lambda: len(list(places.glob("full-*"))) == app.php_workers, "every worker to be full")
            with full.inside() as inside:
                assert inside.get("/ready").status_code == 200
            taken = SHARED + sum(own(pid) for pid in (full.php.pid, *children(full.php.pid)))
            (places / "enough").touch()
            answers = [each.result() for each in asked]
        for visitor in visitors:
            visitor.close()
    finally:
        full.stop()
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["bytes"] > 60 * 2**20 for answer in answers)
    limit = app.php_memory * 2**20
    assert taken <= limit, f"{taken / 2**20:.0f} MiB of {limit / 2**20:.0f}"


def own(pid: int) -> int:
    """Bytes of a process that belong to no file and to no shared memory; of what forks have in common its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) * 1024
