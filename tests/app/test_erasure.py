"""`docs/data-protection.md` erases a person and gives what there is about one: its commands, as they stand there."""

import json
import os
import re
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from tests.app.servers import DATABASE, Postgres, Redis
from tests.app.site import PASSWORD, Site
from tests.app.test_app_uploads import picture, upload

PAGE = (Path(__file__).parents[2] / "docs" / "data-protection.md").read_text()
ERASE, GIVE = re.findall(r"^```sql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(END_SESSIONS,) = re.findall(r"-- sh -c '\n(.*?)' sh ID", PAGE, re.DOTALL)
# What the line that isn't run here gives: where the primary is, and how to speak to it.
MEMBERS = ". /etc/redis/members.sh\n"


def somebody(site: Site, email: str) -> tuple[httpx.Client, str]:
    """Who is logged in, with an exhibit and an upload: the client, and the id."""
    made = site.run("create-user.php", f"--email={email}", "--name=Grace", "--password-file=-", text=PASSWORD)
    assert made.returncode == 0, made.stderr
    member = site.client()
    answer = member.post("/login", json={"email": email, "password": PASSWORD})
    member.headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
    member.cookies.clear()
    assert member.post("/api/exhibits", json={"title": "Heron", "description": ""}).status_code == 201
    assert upload(member, picture()).status_code == 201
    return member, answer.json()["user"]["id"]


COUNT = """
SELECT (SELECT count(*) FROM users WHERE id = :'id'), (SELECT count(*) FROM exhibits WHERE created_by = :'id'),
    (SELECT count(*) FROM uploads WHERE created_by = :'id');
"""


def known(postgres: Postgres, identity: str) -> list[str]:
    """Rows of the person, of the exhibits and of the uploads."""
    (row,) = postgres.sql(COUNT, DATABASE, id=identity)
    return row


def end_sessions(redis: Redis, identity: str) -> None:
    assert END_SESSIONS.startswith(MEMBERS)
    given = f"tls=; port={redis.port}; primary() {{ echo 127.0.0.1; }}\n"
    subprocess.run(
        ["sh", "-c", given + END_SESSIONS.removeprefix(MEMBERS), "sh", identity],
        env={**os.environ, "REDISCLI_AUTH": redis.password},
        check=True,
        stdin=subprocess.DEVNULL,
    )


def test_a_person_is_erased_and_nobody_else(site: Site, postgres: Postgres, redis: Redis, member: httpx.Client) -> None:
    email = "grace@example.org"
    gone, identity = somebody(site, email)
    with closing(gone):
        other = member.get("/api/session").json()["user"]["id"]
        assert other != identity
        files = [row[0] for row in postgres.sql(ERASE, DATABASE, email=email)]
        assert files[-1] == identity
        assert len(files) == 2
        assert re.fullmatch(r"[0-9a-f]{32}\.png", files[0])
        assert known(postgres, identity) == ["0", "0", "0"]
        assert known(postgres, other)[0] == "1"
        # Without the last step the name would be known as long as the session is used.
        assert gone.get("/api/session").json()["user"]["id"] == identity
        end_sessions(redis, identity)
        assert gone.get("/api/session").json()["user"] is None
        assert member.get("/api/session").json()["user"]["id"] == other


def test_what_there_is_about_a_person_is_given(site: Site, postgres: Postgres) -> None:
    email = "katherine@example.org"
    member, identity = somebody(site, email)
    with closing(member):
        ((found,),) = postgres.sql(f"\\pset fieldsep '\\t'\n{GIVE}", DATABASE, email=email.upper())
        told: dict[str, Any] = json.loads(found)
        assert told["user"]["email"] == email
        assert [each["created_by"] for each in (*told["exhibits"], *told["uploads"])] == [identity, identity]
        assert "password_hash" not in found
