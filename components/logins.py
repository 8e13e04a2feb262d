"""Who logs in to PostgreSQL and Redis: for each consumer a name of its own, with a password that nobody else has.

A generation of passwords is valid before anybody is asked to use it, and the one before stays so until everybody does
(`retirement`): they change without a moment in which neither holds. A user of Redis may have two passwords. PostgreSQL
knows one of a role: there rights belong to roles that nobody logs in as (`files/roles.sql`), and each has two members,
`…_a` and `…_b`, that take turns.

Neither is told a password, but what tells a right one from others: a verifier (RFC 5803), a hash. The password itself
is in the consumer's own Secret alone.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi_random as random
from pulumi import ComponentResource, Output, ResourceOptions

# The ConfigMap with the generation that the last whole roll-out gave to all pods.
SERVING = "serving"

# PostgreSQL's own number; more would slow down every connection and not help against 190 bits.
_ITERATIONS = 4096


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """Somebody who connects.

    member_of: the role that has its rights. settings: of its sessions. pooled: it connects to the pooler.
    """

    member_of: str
    pooled: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LoginsArgs:
    """consumers: by name. generation: of all passwords; one more makes them anew."""

    consumers: Mapping[str, Consumer]
    generation: int


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a consumer logs in with."""

    user: str
    password: Output[str]


class Logins(ComponentResource):
    """Each consumer's login of this generation, and what the database and its pooler are told of it and of the one
    before."""

    of: Mapping[str, Login]
    file: Output[str]
    pooled: Output[str]

    def __init__(self, name: str, args: LoginsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("vision-week:postgres:Logins", name, None, opts)
        self._name = name
        latest, told, pooled = {}, [], []
        for consumer, about in args.consumers.items():
            for generation in valid(args.generation):
                login = self._login(consumer, about, generation)
                told.append(_told(about, generation, login))
                if about.pooled:
                    pooled.append(Output.format('"{0}" "{1}"\n', login.user, told[-1]["verifier"]))
                latest[consumer] = login
        self.of = latest
        self.file = Output.json_dumps(told)
        self.pooled = Output.concat(*pooled)
        self.register_outputs({"users": {consumer: login.user for consumer, login in latest.items()}})

    def _login(self, consumer: str, about: Consumer, generation: int) -> Login:
        turn = "a" if generation % 2 else "b"
        made = random.RandomPassword(
            f"{self._name}-{consumer}-{turn}",
            # No special characters: they would only need quoting, and 32 letters and digits are 190 bits.
            length=32,
            special=False,
            keepers={"generation": str(generation)},
            opts=ResourceOptions(parent=self),
        )
        return Login(user=f"{about.member_of}_{turn}", password=made.result)


def valid(generation: int) -> range:
    """The generations whose passwords are valid: this one, and the one that pods may still have."""
    return range(max(1, generation - 1), generation + 1)


def verifier(user: str, password: str) -> str:
    """What PostgreSQL keeps of a password for SCRAM-SHA-256: the same one each time, so that nothing changes."""
    salt = hashlib.sha256(f"{user} {password}".encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def _told(about: Consumer, generation: int, login: Login) -> dict[str, Any]:
    """One entry of the file that `files/logins.sql` reads."""
    return {
        "role": login.user,
        "member_of": about.member_of,
        "generation": generation,
        "verifier": login.password.apply(lambda password: verifier(login.user, password)),
        "settings": dict(about.settings),
    }
