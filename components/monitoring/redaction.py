"""What must not be kept, taken out of lines and spans before they are queued: secrets, the last part of addresses.

In the language that OpenTelemetry's collector has for this. A second line: no part of the platform logs a secret.
"""

import json
from collections.abc import Iterator, Mapping

GONE = "[redacted]"
_NAMES = (
    r"[\w-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|session_id|"
    r"credentials?)"
)
# What a secret looks like -> what stands there instead. The first four know it by its name: in JSON, in a text of
# JSON's that is JSON again, in a query or a form, in a header.
REDACTIONS: Mapping[str, str] = {
    rf'(?i)("{_NAMES}"\s*:\s*")(?:[^"\\]|\\.)*': f"${{1}}{GONE}",
    rf'(?i)(\\"{_NAMES}\\"\s*:\s*\\")(?:[^"\\]|\\\\(?:\\.|[^"\\]))*': f"${{1}}{GONE}",
    rf"(?i)\b({_NAMES}=)[^\s&;,\"'\\]+": f"${{1}}{GONE}",
    r"(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{8,}": f"${{1}}${{2}}{GONE}",
    r"(://[^\s:/@]*:)[^\s/@]+@": f"${{1}}{GONE}@",
    r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)": f"{GONE} ${{1}}",
    # Tokens by their form: JSON Web Tokens, Google's, GitHub's.
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*": GONE,
    r"\bya29\.[A-Za-z0-9_-]{16,}": GONE,
    r"\bgh[oprsu]_[A-Za-z0-9]{30,}": GONE,
}
# The first two numbers of addresses of the internet: not 10, 127, 172.16 to 172.31, or 192.168, which are pods', nodes'
# and services'. They say which pod was asked, and who isn't one is shortened by nginx already.
_PUBLIC = (
    r"(?:[1-9]|1[1-9]|[2-9]\d|1[01]\d|12[0-689]|1[3-68]\d|17[013-9]|19[013-9]|2\d\d)\.\d{1,3}"
    r"|172\.(?:\d|1[0-5]|3[2-9]|[4-9]\d|[12]\d\d)"
    r"|192\.(?:\d|\d\d|1[0-57-9]\d|16[0-79]|2\d\d)"
)
# As nginx shortens them: the network of 256 addresses, and of IPv6 the /48.
ADDRESSES: Mapping[str, str] = {
    rf"\b({_PUBLIC})\.(\d{{1,3}})\.\d{{1,3}}\b": "${1}.${2}.0",
    r"\b([23][0-9a-fA-F]{3}:[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}):[0-9a-fA-F:]*[0-9a-fA-F]": "${1}::",
    r"\b([23][0-9a-fA-F]{3}(?::[0-9a-fA-F]{1,4})?)::[0-9a-fA-F:]*": "${1}::",
}


def of_lines(*, truncated: bool) -> Iterator[str]:
    """Statements about a line. truncated: without the last part of clients' addresses."""
    for pattern, instead in _taken_out(truncated=truncated).items():
        yield f"replace_pattern(log.body, {literal(pattern)}, {literal(instead)})"


def of_spans(*, truncated: bool) -> Iterator[str]:
    """Statements about a span: as about lines, and whatever has a secret's name."""
    yield f"delete_matching_keys(span.attributes, {literal(f'(?i)^{_NAMES}$')})"
    for pattern, instead in _taken_out(truncated=truncated).items():
        yield f'replace_all_patterns(span.attributes, "value", {literal(pattern)}, {literal(instead)})'


def literal(text: str) -> str:
    """A text in that language; `$` is the configuration's own, and must be written twice in it."""
    return json.dumps(text).replace("$", "$$")


def _taken_out(*, truncated: bool) -> Mapping[str, str]:
    return {**REDACTIONS, **(ADDRESSES if truncated else {})}
