"""Digests of other people's images are recorded as their registry gives them: skopeo, and a real registry."""

import json
from pathlib import Path

import pytest

from components.catalogue import CATALOGUE
from localcloud import paths
from localcloud.cluster import layout
from localcloud.images import registry
from operations.pin_images import pin
from operations.problem import Problem

pytestmark = pytest.mark.cluster

# What stands in for an image of the catalogue in the local registry.
STAND_IN = registry.mirror(CATALOGUE["redis"].name)
OLD = f"sha256:{'0' * 64}"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is recorded so far. The local registry speaks no TLS, and asks for a name and a password."""
    settings = tmp_path / ".config" / "containers" / "registries.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[[registry]]\nlocation = "{registry.ADDRESS}"\ninsecure = true\n')
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(layout.credentials() / "config.json"))
    monkeypatch.setenv("XDG_STATE_HOME", str(paths.state().parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    place = tmp_path / "digests.json"
    place.write_text(json.dumps({str(STAND_IN): OLD, "docker.io/left/behind:1": OLD}))
    return place


def recorded(file: Path) -> dict[str, str]:
    return dict(json.loads(file.read_text()))


def test_what_the_registry_has_is_recorded_and_nothing_that_nobody_asks_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with registry.connect() as connection:
        digest = connection.digest(STAND_IN)
    pin([str(STAND_IN)], file)
    assert recorded(file) == {str(STAND_IN): digest}
    assert capsys.readouterr().out == f"{STAND_IN}@{digest}, which was {OLD}\n"
    pin([str(STAND_IN)], file)
    assert capsys.readouterr().out == f"{STAND_IN}@{digest}\n"


def test_an_image_that_is_not_there_is_named_and_keeps_what_was_known_of_it(file: Path) -> None:
    missing = f"{registry.ADDRESS}/tried/nothing:1"
    file.write_text(json.dumps({missing: OLD}))
    with pytest.raises(Problem) as caught:
        pin([missing, str(STAND_IN)], file)
    assert f"  {missing}: " in caught.value.what
    assert "manifest unknown" in caught.value.what
    assert recorded(file)[missing] == OLD
    assert recorded(file)[str(STAND_IN)] != OLD


def test_without_skopeo_it_is_said_how_to_get_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Problem, match="skopeo is not installed"):
        pin([str(STAND_IN)], file)
