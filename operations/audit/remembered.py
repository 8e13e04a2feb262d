"""What Prometheus remembers of the stack that it watches: which alert was raised when, and how backups went.

It remembers as far back as its retention goes. Its heartbeat, an alert that is always raised, says of which time it
knows anything at all: a time without it is one in which nobody looked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import httpx
from msgspec import Struct
from msgspec.json import Decoder

STEP: Final = 15  # seconds; rules are evaluated as often (components/monitoring/scraping.py)
HEARTBEAT: Final = "Watchdog"  # components/monitoring/rules.py
_POINTS: Final = 10_000  # of a series, in one answer; Prometheus gives 11,000 at most
_RAISED: Final = 'ALERTS{alertstate="firing"}'
_OWN: Final = ("__name__", "alertname", "alertstate", "severity")  # labels that are no matter of what it is about
_ENDED: Final = "vision_week_job_succeeded_timestamp_seconds"
_DRILL: Final = "-drill"  # how the job is called that restores a backup and looks at it (components/backups.py)
_TIMEOUT: Final = 30  # seconds, for one question


class _Series(Struct):
    """Of an answer: a value at one moment, or at several."""

    metric: dict[str, str]
    value: tuple[float, str] = (0, "0")
    values: list[tuple[float, str]] = []


class _Data(Struct):
    result: list[_Series]


class _Answer(Struct):
    data: _Data


_ANSWER: Final = Decoder(_Answer)
_ALERTS: Final = ("alert", "severity", "from", "until", "minutes", "of")
_BACKUPS: Final = ("job", "times that it went well", "last time")
_Found = tuple[Sequence[Sequence[str]] | None, Sequence[str]]


@dataclass(frozen=True)
class Told:
    """A table for the archive, and what its first page says of it. rows: None where it can't be had."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]] | None
    lines: Sequence[str]


@dataclass(frozen=True)
class Span:
    """Seconds since 1970: when it was seen first and last."""

    begun: float
    last: float


def remembered(prometheus: str, since: datetime, now: datetime) -> Iterator[Told]:
    """Both tables, or why one of them can't be had: a Prometheus that doesn't answer keeps nobody from the rest."""
    for name, head, asked in (("alerts.csv", _ALERTS, _alerts), ("backups.csv", _BACKUPS, _backups)):
        try:
            rows, lines = asked(prometheus, since, now)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OverflowError) as error:
            rows, lines = None, [f"it can't be had: {' '.join(str(error).split()) or type(error).__name__}"]
        yield Told(name, head, rows, lines)


def spans(moments: Iterable[float], step: float) -> list[Span]:
    """Moments that follow each other, as one each."""
    found: list[Span] = []
    for moment in moments:
        if found and moment - found[-1].last <= step:
            found[-1] = Span(found[-1].begun, moment)
        else:
            found.append(Span(moment, moment))
    return found


def _alerts(prometheus: str, since: datetime, now: datetime) -> _Found:
    first, last = (int(each.timestamp()) // STEP * STEP for each in (since, now))
    seen: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for begin in range(first, last + 1, _POINTS * STEP):
        end = min(last, begin + (_POINTS - 1) * STEP)
        span = {"query": _RAISED, "start": str(begin), "end": str(end), "step": str(STEP)}
        for series in _asked(prometheus, "query_range", span):
            moments = seen.setdefault(tuple(sorted(series.metric.items())), [])
            moments += [moment for moment, _ in series.values]
    rows = [_row(dict(labels), span, last) for labels, moments in seen.items() for span in spans(moments, STEP)]
    beats = sorted(
        {moment for labels, moments in seen.items() if ("alertname", HEARTBEAT) in labels for moment in moments}
    )
    others = [row for row in rows if row[0] != HEARTBEAT]
    lines = [f"{len(others)} times that an alert was raised, the heartbeat aside", *_known(beats, first, last)]
    return sorted(rows, key=lambda row: (row[2], row[0])), lines


def _row(labels: Mapping[str, str], span: Span, last: int) -> tuple[str, ...]:
    """Until when: the first moment at which it was no more; `still raised` where there is none yet."""
    until = min(span.last + STEP, last)
    of = {key: value for key, value in labels.items() if key not in _OWN}
    return (
        labels.get("alertname", ""),
        labels.get("severity", ""),
        _moment(span.begun),
        _moment(until) if span.last < last else "still raised",
        f"{(until - span.begun) / 60:.1f}",
        ", ".join(f"{key}={value}" for key, value in of.items()),
    )


def _known(beats: Sequence[float], first: int, last: int) -> Iterator[str]:
    """Of which time anything is known."""
    if not beats:
        yield f"of no time is it known whether an alert was raised: the heartbeat ({HEARTBEAT}) never was"
        return
    if beats[0] > first:
        yield f"alerts are known from {_moment(beats[0])} on; of what was before that Prometheus knows nothing"
    gaps = [after - before for before, after in pairwise(beats) if after - before > STEP]
    if gaps:
        yield f"nobody looked {len(gaps)} times, {sum(gaps) / 60:.1f} minutes together, between the rows of {HEARTBEAT}"
    if beats[-1] < last:
        yield f"nobody has looked since {_moment(beats[-1])}"


def _backups(prometheus: str, since: datetime, now: datetime) -> _Found:
    span = f"{max(1, int((now - since).total_seconds()))}s"
    often = _asked(prometheus, "query", {"query": f"max by (cronjob) (changes({_ENDED}[{span}]))"})
    times = {
        one.metric.get("cronjob", ""): float(one.value[1])
        for one in _asked(prometheus, "query", {"query": f"max by (cronjob) ({_ENDED})"})
    }
    rows = sorted(
        (job := one.metric.get("cronjob", ""), one.value[1], _moment(times[job]) if times.get(job) else "never")
        for one in often
    )
    drilled = any(row[0].endswith(_DRILL) for row in rows)
    lines = [f"{len(rows)} jobs of the backups", *([] if drilled else ["no restore drill is on record"])]
    return rows, lines


def _asked(prometheus: str, what: str, parameters: Mapping[str, str]) -> Sequence[_Series]:
    answer = httpx.get(f"{prometheus.rstrip('/')}/api/v1/{what}", params=parameters, timeout=_TIMEOUT)
    if answer.is_error:
        raise ValueError(f"{answer.status_code}: {answer.text[:200]}")
    return _ANSWER.decode(answer.content).data.result


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
