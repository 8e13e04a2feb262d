"""The development stack as it would be made, once known and once as a first preview sees it."""

import pytest

from tests.unit.recording import Recording, run_stack, stack_config


@pytest.fixture(scope="session")
def development() -> Recording:
    return run_stack(stack_config("development"))


@pytest.fixture(scope="session")
def first_preview() -> Recording:
    """Nothing exists yet: passwords, certificates, digests and addresses are unknown."""
    return run_stack(stack_config("development"), preview=True)


@pytest.fixture(params=["known", "first preview"])
def either(request: pytest.FixtureRequest, development: Recording, first_preview: Recording) -> Recording:
    return development if request.param == "known" else first_preview
