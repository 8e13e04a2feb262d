"""What somebody changed in the cluster by hand, as the person who looks for it is told (S12.2)."""

import json
import re
from datetime import datetime

import pytest

from components.moments import CHECKED, UNCHANGED
from localcloud.cluster import audit
from operations.delivery.problem import Exit
from tests.cluster.releases import deliver
from tests.cluster.stack import PREFIX, Stack

pytestmark = pytest.mark.cluster


def test_what_was_changed_by_hand_is_found_with_who_did_it_and_an_update_puts_it_right(stack: Stack) -> None:
    """Where nothing was changed, nothing is found."""
    stack.pulumi("up", "--refresh", "--yes", "--skip-preview")  # whatever tests before have left
    deliver(stack, "drift")
    assert looked(stack, CHECKED) == looked(stack, UNCHANGED)
    settings = ["-n", f"{PREFIX}-app", "configmap", "app"]
    was = stack.kubectl("get", *settings, "-o", "jsonpath={.data.LOG_LEVEL}")
    stack.kubectl("patch", *settings, "--type=merge", "-p", json.dumps({"data": {"LOG_LEVEL": "by-hand"}}))
    told = deliver(stack, "drift", "--audit-log", str(audit.folder()), ends=Exit.TESTS)
    assert looked(stack, CHECKED) > looked(stack, UNCHANGED)
    assert re.search(r"~ +app +ConfigMap +\S+ +data\.LOG_LEVEL", told), told
    who = r"changed by administrator with kubectl-patch, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.search(rf"^ConfigMap app: data\.LOG_LEVEL: {who}$", told, re.MULTILINE), told
    assert stack.kubectl("get", *settings, "-o", "jsonpath={.data.LOG_LEVEL}") == "by-hand"
    stack.pulumi("up", "--refresh", "--yes", "--skip-preview")
    assert stack.kubectl("get", *settings, "-o", "jsonpath={.data.LOG_LEVEL}") == was
    deliver(stack, "drift")
    assert looked(stack, CHECKED) == looked(stack, UNCHANGED)


def looked(stack: Stack, moment: str) -> datetime:
    """When monitoring was last told so."""
    lease = ("-n", f"{PREFIX}-monitoring", "lease", moment)
    return datetime.fromisoformat(stack.kubectl("get", *lease, "-o", "jsonpath={.spec.renewTime}"))
