"""Uploads: what they are is read from their content, their names are ours, their size has a limit."""

import hashlib
import re
import struct
import zlib

import httpx
import pytest

from tests.app.servers import DATABASE, Postgres
from tests.app.site import Site

LARGEST = 10_000_000


def picture(size: int = 0) -> bytes:
    """A PNG of one pixel, followed by as many bytes as it takes to have the size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    image = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0\xd9\x79\x2b"))
        + chunk(b"IEND", b"")
    )
    return image + b"\0" * max(0, size - len(image))


def upload(member: httpx.Client, content: bytes, name: str = "heron.png", **fields: str) -> httpx.Response:
    return member.post("/api/uploads", files={"file": (name, content, "image/png")}, data=fields)


def test_an_upload_comes_back_as_it_went(member: httpx.Client, client: httpx.Client) -> None:
    content = picture(200_000)
    answer = upload(member, content, "Möwe am Meer.png")
    assert answer.status_code == 201, answer.text
    assert answer.json()["content_type"] == "image/png"
    back = client.get(answer.json()["url"])
    assert back.content == content
    assert back.headers["Content-Type"] == "image/png"
    assert back.headers["Content-Length"] == "200000"
    assert back.headers["Content-Disposition"] == "inline; filename*=UTF-8''M%C3%B6we%20am%20Meer.png"
    assert back.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_text_is_saved_and_not_shown(member: httpx.Client, client: httpx.Client) -> None:
    stored = upload(member, b"Two tickets for the evening tour.\n", "tickets.txt").json()
    assert stored["content_type"] == "text/plain"
    back = client.get(stored["url"])
    assert back.content == b"Two tickets for the evening tour.\n"
    assert back.headers["Content-Disposition"] == "attachment; filename*=UTF-8''tickets.txt"
    assert back.headers["X-Content-Type-Options"] == "nosniff"


def test_a_copy_that_is_still_good_is_not_sent_again(member: httpx.Client, client: httpx.Client) -> None:
    url = upload(member, picture()).json()["url"]
    tag = client.get(url).headers["ETag"]
    assert tag == f'"{hashlib.sha256(picture()).hexdigest()}"'
    again = client.get(url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_file_lies_under_a_name_of_ours(site: Site, member: httpx.Client, postgres: Postgres) -> None:
    before = set(site.uploads.iterdir())
    answer = upload(member, picture(), "../../../public/evil.php")
    [file] = set(site.uploads.iterdir()) - before
    assert re.fullmatch(r"[0-9a-f]{32}\.png", file.name)
    assert answer.json()["name"] == "evil.php"
    rows = postgres.sql("SELECT file FROM uploads WHERE id = :'id'", DATABASE, id=answer.json()["id"])
    assert rows == [[file.name]]


def test_a_file_of_exactly_ten_megabytes_fits_and_one_more_byte_does_not(member: httpx.Client) -> None:
    assert upload(member, picture(LARGEST)).status_code == 201
    larger = upload(member, picture(LARGEST + 1))
    assert larger.status_code == 413
    assert larger.headers["Content-Type"] == "application/problem+json"


def test_a_body_over_the_limit_is_stopped_by_nginx(site: Site, member: httpx.Client) -> None:
    before = set(site.uploads.iterdir())
    answer = upload(member, picture(11_000_000))
    assert answer.status_code == 413
    assert answer.json()["title"] == "Content Too Large"
    assert set(site.uploads.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<?php echo 1;", "heron.png"),
        (b"<html><script>alert(1)</script></html>", "heron.png"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "heron.svg"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 64, "heron.jpg"),
    ],
)
def test_what_a_file_is_its_content_says(site: Site, member: httpx.Client, content: bytes, name: str) -> None:
    before = set(site.uploads.iterdir())
    assert upload(member, content, name).status_code == 415
    assert set(site.uploads.iterdir()) == before


def test_a_form_without_a_file_or_with_an_empty_one_is_refused(member: httpx.Client) -> None:
    assert upload(member, b"").status_code == 422
    empty = member.post("/api/uploads", files={"other": ("a.png", picture(), "image/png")})
    assert empty.status_code == 422
    assert member.post("/api/uploads", json={"file": "x"}).status_code == 415
    several = member.post("/api/uploads", files=[("file[]", ("a.png", picture(), "image/png"))])
    assert several.status_code == 422


def test_an_upload_can_belong_to_an_exhibit(member: httpx.Client, client: httpx.Client) -> None:
    exhibit = member.post("/api/exhibits", json={"title": "With a picture"}).json()
    client.headers["Cookie"] = "seen=before"  # nginx keeps nothing for those who have one
    client.get("/api/exhibits")
    stored = upload(member, picture(), exhibit=exhibit["id"]).json()
    assert client.get("/api/exhibits").json()["items"][0]["picture"] == stored["url"]
    assert client.get(f"/api/exhibits/{exhibit['id']}").json()["uploads"] == [stored]


@pytest.mark.parametrize("exhibit", ["57fee8ae-9c6c-4cc9-ade2-22f6637dd39c", "x", "' OR 1=1"])
def test_an_upload_to_an_exhibit_that_does_not_exist_is_refused(site: Site, member: httpx.Client, exhibit: str) -> None:
    before = set(site.uploads.iterdir())
    assert upload(member, picture(), exhibit=exhibit).status_code == 422
    assert set(site.uploads.iterdir()) == before


def test_a_file_whose_row_cannot_be_written_goes_again(site: Site, member: httpx.Client, postgres: Postgres) -> None:
    """It stayed on the volume, with nothing that knew of it."""
    before = set(site.uploads.iterdir())
    assert upload(member, picture()).status_code == 201  # so a file would be there
    kept = set(site.uploads.iterdir())
    assert len(kept - before) == 1
    postgres.sql("ALTER TABLE uploads ADD CONSTRAINT no_more CHECK (false) NOT VALID", DATABASE)
    try:
        assert upload(member, picture()).status_code == 500
    finally:
        postgres.sql("ALTER TABLE uploads DROP CONSTRAINT no_more", DATABASE)
    assert set(site.uploads.iterdir()) == kept
    assert upload(member, picture()).status_code == 201


def test_a_file_stays_where_its_row_may_have_been_written(site: Site, member: httpx.Client, postgres: Postgres) -> None:
    """The connection broke between the write and the answer: too many files take space, a missing one is a loss."""
    before = set(site.uploads.iterdir())
    postgres.sql(
        """
        CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
        CREATE TRIGGER break BEFORE INSERT ON uploads FOR EACH ROW EXECUTE FUNCTION break();
        """,
        DATABASE,
    )
    try:
        answer = upload(member, picture())
    finally:
        postgres.sql("DROP TRIGGER break ON uploads; DROP FUNCTION break()", DATABASE)
    assert answer.status_code == 503
    assert len(set(site.uploads.iterdir()) - before) == 1


def test_uploading_takes_a_session(client: httpx.Client) -> None:
    assert upload(client, picture()).status_code == 401


def test_stored_files_are_not_reachable_by_their_path(site: Site, client: httpx.Client, member: httpx.Client) -> None:
    upload(member, picture())
    name = next(site.uploads.iterdir()).name
    for path in (f"/storage/uploads/{name}", f"/uploads/{name}", f"/../storage/uploads/{name}"):
        assert client.get(path).status_code in {400, 404}


def test_a_file_that_is_gone_is_an_error_that_the_log_names(
    site: Site, member: httpx.Client, client: httpx.Client
) -> None:
    before = set(site.uploads.iterdir())
    url = upload(member, picture()).json()["url"]
    [file] = set(site.uploads.iterdir()) - before
    file.unlink()
    answer = client.get(url)
    assert answer.status_code == 500
    assert file.name not in answer.text
    [line] = [line for line in site.logs_of(answer) if line["level"] == "error"]
    assert file.name in line["message"]
