"""`deploy.sh ENV render`: what becomes of a preview's objects on the way to files, and what is refused."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.delivery import render as rendering
from operations.delivery.preview import SECRET, UNKNOWN
from operations.delivery.problem import DeliveryError
from operations.delivery.render import Rendered, as_yaml, write
from operations.delivery.target import Target
from tests.unit.conftest import Stacks
from tests.unit.previews import checked, preview_of

Files = Mapping[str, str]

PLATFORM = "vision-week:platform:Platform"


def step(kind: str, name: str, operation: str = "same", **inputs: Any) -> dict[str, Any]:
    """An object of the namespace `app`, as the engine tells of it."""
    annotations = {"pulumi.com/autonamed": "true"} if inputs.pop("autonamed", False) else {}
    about = {"name": name, "namespace": "app", "annotations": annotations}
    return {
        "op": operation,
        "urn": f"urn:pulumi:staging::vision-week::{PLATFORM}$kubernetes:v1:{kind}::{name}",
        "newState": {"inputs": {"apiVersion": "v1", "kind": kind, "metadata": about, **inputs}},
    }


def outside(kind: str) -> dict[str, Any]:
    return {"op": "same", "urn": f"urn:pulumi:staging::vision-week::{kind}::x", "newState": {"inputs": {}}}


def rendered(*steps: Any) -> Rendered:
    return Rendered.of(json.dumps({"steps": steps}))


def config(name: str, **data: Any) -> dict[str, Any]:
    return step("ConfigMap", name, data=data)


def files(folder: Path) -> Files:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


# --- what is taken


def test_what_an_update_would_leave_behind_is_taken_and_what_it_deletes_is_not() -> None:
    found = rendered(config("kept"), step("ConfigMap", "new", "create"), step("ConfigMap", "gone", "delete"))
    assert [one["metadata"]["name"] for one in found.objects] == ["kept", "new"]


def test_a_secret_is_named_and_not_written(tmp_path: Path) -> None:
    found = rendered(config("app"), step("Secret", "passwords", stringData=SECRET, type="kubernetes.io/tls"))
    assert [one["kind"] for one in found.objects] == ["ConfigMap"]
    write(tmp_path, "staging", found)
    assert "| `app` | `passwords` | `kubernetes.io/tls` |" in files(tmp_path)["overlays/staging/secrets.md"]


def test_a_secret_in_the_wrong_place_is_refused_by_name() -> None:
    with pytest.raises(DeliveryError, match="outside of a Secret, in ConfigMap app"):
        rendered(config("app", password=SECRET))


def test_what_only_an_update_makes_is_refused_by_name_all_at_once() -> None:
    secret = step("Secret", "passwords-1234abcd", "replace", stringData=SECRET, autonamed=True)
    with pytest.raises(DeliveryError) as refused:
        rendered(config("app", image=UNKNOWN), secret, config("other"))
    assert refused.value.what == "Only an update makes names or values of ConfigMap app, Secret passwords-…."
    assert refused.value.hint == "deploy first, then render"


def test_a_job_to_come_is_named_by_what_it_does() -> None:
    """The engine draws its name by lot, another one in each preview."""

    def name(lot: str, image: str, operation: str = "replace") -> str:
        job = step("Job", f"migrations-{lot}", operation, spec={"image": image}, autonamed=True)
        return str(rendered(job).objects[0]["metadata"]["name"])

    assert name("1234abcd", "v1") == name("4321dcba", "v1", "create")
    assert name("1234abcd", "v1") != name("1234abcd", "v2")
    assert name("1234abcd", "v1", "same") == "migrations-1234abcd"


def test_what_is_no_object_of_the_cluster_is_counted() -> None:
    found = rendered(outside("gcp:compute/network:Network"), outside("random:index/randomPassword:RandomPassword"))
    assert list(found.left_out()) == ["resources that are no objects of the cluster: 1 of gcp, 1 of random"]


def test_providers_and_components_are_nothing_that_is_left_out() -> None:
    found = rendered(outside(PLATFORM), outside("pulumi:providers:kubernetes"), outside("pulumi:pulumi:Stack"))
    assert list(found.left_out()) == []


def test_a_preview_that_fails_writes_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"steps": [config("app")], "diagnostics": [{"severity": "error", "message": "no such setting"}]}
    done = subprocess.CompletedProcess([], 255, stdout=json.dumps(told), stderr="")
    monkeypatch.setattr(rendering, "asked", lambda *_: (done, ""))
    with pytest.raises(DeliveryError, match="no such setting"):
        rendering.render(Target.named("staging"), tmp_path)
    assert files(tmp_path) == {}


# --- base and overlays


def test_what_environments_have_alike_is_the_base(tmp_path: Path) -> None:
    write(tmp_path, "staging", rendered(config("alike", a="1"), config("other", a="1"), config("own")))
    write(tmp_path, "production", rendered(config("alike", a="1"), config("other", a="2")))
    assert set(files(tmp_path)) == {
        "base/kustomization.yaml",
        "base/app/configmap-alike.yaml",
        "overlays/production/kustomization.yaml",
        "overlays/production/secrets.md",
        "overlays/production/app/configmap-other.yaml",
        "overlays/staging/kustomization.yaml",
        "overlays/staging/secrets.md",
        "overlays/staging/app/configmap-other.yaml",
        "overlays/staging/app/configmap-own.yaml",
    }


def test_environments_without_anything_in_common_have_no_base(tmp_path: Path) -> None:
    write(tmp_path, "staging", rendered(config("one")))
    write(tmp_path, "production", rendered(config("another")))
    assert not (tmp_path / "base").exists()
    assert "../../base" not in files(tmp_path)["overlays/staging/kustomization.yaml"]


def test_the_order_in_which_environments_are_written_leaves_no_trace(tmp_path: Path) -> None:
    stacks = {
        "staging": rendered(config("alike", a="1"), config("other", a="1")),
        "production": rendered(config("alike", a="1"), config("other", a="2")),
        "development": rendered(config("alike", a="1"), config("own")),
    }
    for folder, order in (("one", sorted(stacks)), ("other", sorted(stacks, reverse=True))):
        write(tmp_path / folder, order[0], rendered(config("what was there before")))
        for stack in order:
            write(tmp_path / folder, stack, stacks[stack])
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_an_object_that_is_gone_leaves_no_file(tmp_path: Path) -> None:
    write(tmp_path, "staging", rendered(config("kept"), config("gone")))
    write(tmp_path, "staging", rendered(config("kept")))
    assert [name for name in files(tmp_path) if "gone" in name] == []


@pytest.mark.parametrize("after", range(5))
def test_who_is_interrupted_loses_nothing_and_runs_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """What the other environment gives is only there: nobody renders it for this one."""
    staging = rendered(config("alike", a="1"), config("other", a="1"))
    new = rendered(config("alike", a="2"), config("other", a="1"))
    write(tmp_path / "whole", "staging", staging)
    write(tmp_path / "whole", "production", new)
    for stack in ("staging", "production"):
        write(tmp_path / "broken", stack, staging)
    steps = iter(range(after))

    def breaks_off(step: Callable[..., None]) -> Callable[..., None]:
        def instead(*arguments: Any, **more: Any) -> None:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            step(*arguments, **more)

        return instead

    with monkeypatch.context() as patch:
        for name in ("_add", "_take_away"):
            patch.setattr(rendering, name, breaks_off(getattr(rendering, name)))
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "broken", "production", new)
    write(tmp_path / "broken", "production", new)
    assert files(tmp_path / "broken") == files(tmp_path / "whole")


@pytest.mark.parametrize("place", ["base", "overlays/production"])
def test_a_folder_that_others_have_written_is_left_as_it_is(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "kustomization.yaml").write_text("resources: [mine.yaml]\n")
    before = files(tmp_path)
    with pytest.raises(DeliveryError, match="was not written by this command"):
        write(tmp_path, "staging", rendered(config("app")))
    assert files(tmp_path) == before


# --- the text


@pytest.mark.parametrize(
    "text",
    [
        "1e3",
        "0x1f",
        "010",
        "1_000",
        "y",
        "n",
        "on",
        "No",
        "null",
        "~",
        "",
        " ",
        "1.0",
        "1:30:45",
        "2026-01-01",
        "<<",
        "=",
    ],
)
def test_a_text_that_readers_might_take_for_something_else_is_quoted(text: str) -> None:
    assert as_yaml([text]) in {f'- "{text}"\n', f"- '{text}'\n"}


def test_the_lines_of_a_file_stay_lines() -> None:
    assert as_yaml({"conf": "a: 1\nb: 2\n"}) == "conf: |\n  a: 1\n  b: 2\n"


# --- the three environments


def test_every_object_of_an_environment_is_written_and_no_secret(stack: str, stacks: Stacks, tmp_path: Path) -> None:
    made = [checked(one) for one in stacks(stack).objects]
    write(tmp_path, stack, Rendered.of(preview_of(stacks(stack))))
    written = [yaml.load(file.read_text(), yaml.CSafeLoader) for file in (tmp_path / "base").glob("*/*.yaml")]
    assert sorted(map(as_yaml, written)) == sorted(as_yaml(one) for one in made if one["kind"] != "Secret")
    named = (tmp_path / "overlays" / stack / "secrets.md").read_text()
    for one in made:
        assert one["kind"] != "Secret" or f"`{one['metadata']['name']}`" in named
