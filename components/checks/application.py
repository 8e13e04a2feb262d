"""Where the application comes from, what it is told, and names that must differ."""

from collections.abc import Iterator

from components.checks.fault import Fault
from components.settings import PASSWORDS, VARIABLES, Settings


def an_engineer_s_tools_have_their_image(settings: Settings) -> Iterator[Fault]:
    """In the image of users there is no Xdebug, and PHP never looks whether a file has changed (S1.4, S10.1)."""
    if settings.images.app_target == "development":
        return
    for setting, there in (("debugger", settings.app.debugger is not None), ("hot_reload", settings.app.hot_reload)):
        if there:
            yield Fault(
                f"app.{setting}",
                "has no effect on the image's production stage (images.app_target)",
                "set images.app_target to development, or leave it out",
            )


def what_is_promoted_is_built_elsewhere(settings: Settings) -> Iterator[Fault]:
    """What a build is told belongs to the stack that builds, and would be ignored here (DECISIONS: promotion)."""
    if settings.images.promoted_from is None:
        return
    for part, names in (
        ("images", ("app_target", "flutter")),
        ("source", ("path", "git", "reference", "document_root")),
    ):
        for name in names:
            if name in getattr(settings, part).model_fields_set:
                yield Fault(
                    f"{part}.{name}",
                    "has no effect on images that another stack builds (images.promoted_from)",
                    "leave it out here, and write it in that stack's file",
                )


def source_is_one_place(settings: Settings) -> Iterator[Fault]:
    """Two sources would leave to chance what is built; a branch would leave it to time (S12.2)."""
    source = settings.source
    if source.git and source.path:
        yield Fault("source.path", "is given beside source.git: only one can be meant", "leave one of them out")
    if source.git and not source.reference:
        yield Fault("source.reference", "is required with source.git", "give the commit in full")
    if source.reference and not source.git:
        yield Fault("source.git", "is required with source.reference", "give the repository's address")


_OF_PHP = (
    "PGOPTIONS",
    "PHP_BODY_LIMIT",
    "PHP_FPM_WORKERS",
    "PHP_MEMORY_LIMIT",
    "PHP_REQUEST_TIMEOUT",
    "PHP_STOP_TIMEOUT",
    "XDEBUG_CONFIG",
)


def variables_are_told_apart(settings: Settings) -> Iterator[Fault]:
    """Of two variables with one name the application would get one, and nobody could say which."""
    names, constants = settings.source.variables, settings.source.constants
    passwords = [name for name in PASSWORDS if name in names]
    given = [*(names.get(name, name) for name in (*VARIABLES, *passwords)), *_OF_PHP]
    for name in sorted({each for each in given if given.count(each) > 1}):
        yield Fault("source.variables", f"gives {name} to two variables", "give each a name of its own")
    for name in constants:
        if name in given:
            yield Fault(f"source.constants.{name}", "is set by the platform", "leave it out")


def names_are_told_apart(settings: Settings) -> Iterator[Fault]:
    """The second of two with one name would silently replace the first."""
    names = [receiver.name for receiver in settings.monitoring.receivers]
    exemptions = [(each.rule, each.resource) for each in settings.policies.exemptions]
    for path, listed in (("monitoring.receivers", names), ("policies.exemptions", exemptions)):
        for index, each in enumerate(listed):
            if each in listed[:index]:
                yield Fault(f"{path}[{index}]", "is there twice", "leave one out, or rename it")
