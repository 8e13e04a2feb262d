"""Who may talk to whom, who has which rights and who mounts which Secret, drawn: one SVG that needs nothing else.

Boxes stand in columns, one for each namespace. An arrow that passes a column has a place of its own between the boxes
there, so that no line runs behind a box; it has the colour of where it begins, and its ports stand at its end.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from textwrap import wrap
from typing import Final, NamedTuple

from operations.audit.access import DNS, connections, readers, rights, workloads
from policies.rules import Resource

# All in pixels. A letter of the names is 7.5 wide at most, one of the notes 6.
_LINE: Final = 17
_PORT: Final = 15  # between two arrows at the same side of a box
_GUTTER: Final = 180
_BETWEEN: Final = 14
_MARGIN: Final = 24
_CELL: Final = (64, 38)
_HEAD: Final = 34
_HEADER: Final = 150
_SWEEPS: Final = 8  # how often columns are put in order by their neighbours; from 5 on nothing moves any more

# Of whose rights they are.
_KUBERNETES: Final = 2
_GOOGLE: Final = 5

# Namespaces as requests pass them; what is not named comes after.
_ORDER: Final = ("edge", "app", "data", "monitoring")
# Addresses with a meaning everywhere, or on Google Cloud: its documentation of load balancers, GKE and private access.
_ADDRESSES: Final = {
    "0.0.0.0/0": "any address",
    "130.211.0.0/22": "Google's load balancers",
    "35.191.0.0/16": "Google's load balancers",
    "169.254.169.252/32": "GKE's metadata server",
    "169.254.169.254/32": "the metadata server",
    "199.36.153.4/30": "Google's APIs, restricted",
    "199.36.153.8/30": "Google's APIs, private",
}
_STYLE: Final = """<style>
.access { --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --box: #f6f8fa; --rule: #d0d7de;
  --c0: #57606a; --c1: #0550ae; --c2: #116329; --c3: #8250df; --c4: #953800; --c5: #a40e6c }
@media (prefers-color-scheme: dark) { .access { --ink: #e6edf3; --soft: #9da7b3; --paper: #0d1117; --box: #161b22;
  --rule: #3d444d; --c0: #9da7b3; --c1: #6cb6ff; --c2: #57c46a; --c3: #c297ff; --c4: #f0a35e; --c5: #f778ba } }
@media print { .access { --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --box: #f6f8fa; --rule: #d0d7de } }
.access { background: var(--paper); font: 13px system-ui, "DejaVu Sans", sans-serif }
.access text { fill: var(--ink) }
.access .title { font-size: 20px; font-weight: 600 }
.access .head { font-size: 13px; font-weight: 600 }
.access .note { font-size: 11px; fill: var(--soft) }
.access .port { font-size: 11px; paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round }
.access .box { fill: var(--box); stroke-width: 1.5px }
.access .arrow { fill: none; stroke-width: 1.5px; opacity: .8 }
.access .rule { stroke: var(--rule); fill: none }
.access .cell { fill-opacity: .18 }
.access g.path:hover .arrow { stroke-width: 4px; opacity: 1 }
.access .s0 { stroke: var(--c0) } .access .s1 { stroke: var(--c1) } .access .s2 { stroke: var(--c2) }
.access .s3 { stroke: var(--c3) } .access .s4 { stroke: var(--c4) } .access .s5 { stroke: var(--c5) }
.access .f0 { fill: var(--c0) } .access .f1 { fill: var(--c1) } .access .f2 { fill: var(--c2) }
.access .f3 { fill: var(--c3) } .access .f4 { fill: var(--c4) } .access .f5 { fill: var(--c5) }
</style>
"""

Key = tuple[str, ...]
Arrows = Mapping[tuple[Key, Key], str]  # from where to where, and what stands at its end


@dataclass(frozen=True, kw_only=True)
class Box:
    """Something that an arrow begins or ends at. name: in lines. note: smaller, below. colour: one of six."""

    name: str
    note: str = ""
    colour: int = 0


class Column(NamedTuple):
    """Boxes above each other. width: in pixels; longer texts are broken."""

    title: str
    width: int
    boxes: Mapping[Key, Box]


class Rect(NamedTuple):
    """Where something stands."""

    x: float
    y: float
    width: float
    height: float


class Part(NamedTuple):
    """A piece of the picture, drawn from (0, 0)."""

    title: str
    width: float
    height: float
    body: Sequence[str]


def picture(stack: str, resources: Sequence[Resource]) -> str:
    """All of it, one part below the other."""
    drawn = (_paths(resources), _matrix(resources), _secrets(resources), _rights(resources))
    parts = [part for part in drawn if part.body]
    width = max((part.width for part in parts), default=0) + 2 * _MARGIN
    body: list[str] = []
    y = float(_MARGIN)
    for part in parts:
        body += [f'<text class="title" x="{_MARGIN}" y="{y + 20:g}">{escape(part.title)}</text>',
                 f'<g transform="translate({_MARGIN} {y + 44:g})">', *part.body, "</g>"]  # fmt: skip
        y += part.height + 44 + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="access" width="{width:g}" height="{y:g}" '
            f'viewBox="0 0 {width:g} {y:g}" role="img" aria-label="Access in {escape(stack)}">',
            _STYLE + f'<rect width="{width:g}" height="{y:g}" style="fill: var(--paper)"/>',
            *(
                f'<marker id="arrow{colour}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                f'markerUnits="userSpaceOnUse" orient="auto"><path class="f{colour}" d="M0 0L8 4L0 8z"/></marker>'
                for colour in range(6)
            ),
            *body,
            "</svg>\n",
        ]
    )


def _namespaces(resources: Sequence[Resource]) -> dict[str, list[str]]:
    """The names of the workloads of each namespace, in the order in which they are drawn."""
    found: dict[str, set[str]] = defaultdict(set)
    for pod in workloads(resources):
        found[pod.namespace].add(pod.name)

    def place(namespace: str) -> tuple[int, str]:
        last = namespace.rpartition("-")[2]
        return (_ORDER.index(last) if last in _ORDER else len(_ORDER), namespace)

    return {namespace: sorted(found[namespace]) for namespace in sorted(found, key=place)}


def _arrows(resources: Sequence[Resource]) -> dict[tuple[str, str], list[str]]:
    """The ports of each pair. DNS, which every pod may ask, is in the table alone."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for who, whom, port in sorted(connections(resources), key=lambda one: (*one[:2], len(one[2]), one[2])):
        if port != DNS:
            found[who, whom].append(port)
    return found


def _colours(namespaces: Iterable[str]) -> dict[str, int]:
    """The same namespace has the same colour in each stack."""
    last = {namespace: namespace.rpartition("-")[2] for namespace in namespaces}
    return {one: 1 + _ORDER.index(last[one]) if last[one] in _ORDER else 5 for one in last}


def _own_colours(namespaces: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Each workload's, in the order in which they are drawn."""
    colours = _colours(namespaces)
    return {name: colours[namespace] for namespace, names in namespaces.items() for name in names}


def _paths(resources: Sequence[Resource]) -> Part:
    namespaces, arrows = _namespaces(resources), _arrows(resources)
    inside = {name for names in namespaces.values() for name in names}
    own = {pair[0]: ports for pair, ports in arrows.items() if pair[0] == pair[1]}
    colours = _colours(namespaces)
    columns = [Column("comes from outside", 180, _outside({who for who, _ in arrows} - inside, "from"))]
    for namespace, names in namespaces.items():
        boxes: dict[Key, Box] = {
            ("in", name): Box(
                name=name,
                note=f"among themselves: {', '.join(own[name])}" if name in own else "",
                colour=colours[namespace],
            )
            for name in names
        }
        columns.append(Column(namespace, 200, boxes))
    columns.append(Column("goes outside", 180, _outside({whom for _, whom in arrows} - inside, "to")))
    edges: Arrows = {
        (("in" if who in inside else "from", who), ("in" if whom in inside else "to", whom)): ", ".join(ports)
        for (who, whom), ports in arrows.items()
        if who != whom
    }
    return _diagram("Who may talk to whom", [column for column in columns if column.boxes], edges)


def _outside(names: Iterable[str], side: str) -> dict[Key, Box]:
    return {(side, name): Box(name=name, note=_ADDRESSES.get(name, "")) for name in sorted(names)}


def _secrets(resources: Sequence[Resource]) -> Part:
    found = sorted(readers(resources))
    colours = _own_colours(_namespaces(resources))
    columns = [
        Column("Secret", 260, {("secret", name): Box(name=name) for name, _ in found}),
        Column("is mounted by", 260, {("pod", who): Box(name=who, colour=colours[who]) for _, who in found}),
    ]
    return _diagram("Who mounts which Secret", columns, {(("secret", name), ("pod", who)): "" for name, who in found})


def _rights(resources: Sequence[Resource]) -> Part:
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for account, what, place in sorted(rights(resources)):
        where[account, what].append(place)
    accounts: dict[Key, Box] = {}
    granted: dict[Key, Box] = {}
    edges: dict[tuple[Key, Key], str] = {}
    for (account, what), places in where.items():
        google = ":" in account
        accounts["account", account] = Box(
            name=_short(account), note=_kind(account), colour=_GOOGLE if google else _KUBERNETES
        )
        right = ("right", what, *places)
        granted[right] = Box(
            name=what, note=f"{'of' if google else 'in'} {', '.join(places)}", colour=_GOOGLE if google else _KUBERNETES
        )
        edges[("account", account), right] = ""
    columns = [Column("account", 380, accounts), Column("may", 520, granted)]
    return _diagram("Who has which rights, in Kubernetes and on Google Cloud", columns, edges)


def _short(account: str) -> str:
    """`vision-week-app/app` of the long name of a workload's identity; the table has it in full."""
    _, found, rest = account.partition("/subject/ns/")
    return rest.replace("/sa/", "/") if found else account.partition(":")[2] or account


def _kind(account: str) -> str:
    if account.startswith("principal:"):
        return "a Kubernetes account, on Google Cloud"
    return "a Google account" if ":" in account else ""


def _matrix(resources: Sequence[Resource]) -> Part:
    namespaces, arrows = _namespaces(resources), _arrows(resources)
    if not arrows:
        return Part("", 0, 0, ())
    colours = _own_colours(namespaces)
    rank = {name: index for index, name in enumerate(colours)}

    def ordered(names: Iterable[str]) -> list[str]:
        return sorted(set(names), key=lambda name: (rank.get(name, len(rank)), name))

    rows, heads = ordered(who for who, _ in arrows), ordered(whom for _, whom in arrows)
    wide, high = _CELL
    left = 210
    width, height = left + wide * len(heads) + 90, _HEADER + high * len(rows)
    body = []
    for index, whom in enumerate(heads):
        x = left + wide * index
        body += [
            f'<line class="rule" x1="{x}" y1="{_HEADER}" x2="{x}" y2="{height}"/>',
            f'<text style="fill: var(--c{colours.get(whom, 0)})" '
            f'transform="translate({x + wide / 2:g} {_HEADER - 10}) rotate(-45)">{escape(whom)}</text>',
        ]
    for index, who in enumerate(rows):
        y = _HEADER + high * index
        colour = colours.get(who, 0)
        body += [
            f'<line class="rule" x1="0" y1="{y}" x2="{left + wide * len(heads)}" y2="{y}"/>',
            f'<text style="fill: var(--c{colour})" x="0" y="{y + high / 2 + 5:g}">{escape(who)}</text>',
        ]
        for place, whom in enumerate(heads):
            if ports := arrows.get((who, whom)):
                x = left + wide * place
                lines = wrap(" ".join(ports), 8)
                body += [
                    f'<rect class="cell f{colour}" x="{x + 2}" y="{y + 2}" width="{wide - 4}" height="{high - 4}"/>',
                    *(
                        f'<text class="port" style="stroke: none" text-anchor="middle" x="{x + wide / 2:g}" '
                        f'y="{y + high / 2 + 4 + 13 * (line - (len(lines) - 1) / 2):g}">{escape(text)}</text>'
                        for line, text in enumerate(lines)
                    ),
                ]
    right = left + wide * len(heads)
    body += [
        f'<line class="rule" x1="0" y1="{height}" x2="{right}" y2="{height}"/>',
        f'<line class="rule" x1="{right}" y1="{_HEADER}" x2="{right}" y2="{height}"/>',
    ]
    return Part("The same as a matrix: rows may talk to columns, at these ports", width, height, body)


def _diagram(title: str, columns: Sequence[Column], edges: Arrows) -> Part:
    """Boxes in columns and arrows between them."""
    if not edges:
        return Part(title, 0, 0, ())
    at = {key: index for index, column in enumerate(columns) for key in column.boxes}
    layers: list[list[Key]] = [list(column.boxes) for column in columns]
    chains: dict[tuple[Key, Key], list[Key]] = {}
    for who, whom in edges:
        step = 1 if at[whom] > at[who] else -1
        passed = [("pass", *who, *whom, str(index)) for index in range(at[who] + step, at[whom], step)]
        for index, key in zip(range(at[who] + step, at[whom], step), passed, strict=True):
            layers[index].append(key)
            at[key] = index
        chains[who, whom] = [who, *passed, whom]
    _put_in_order(layers, chains.values())

    lines = {key: _lines(box, column.width) for column in columns for key, box in column.boxes.items()}
    sides: dict[tuple[Key, str], list[tuple[Key, Key]]] = defaultdict(list)  # the arrows at each side of a box
    for pair, chain in chains.items():
        sides[pair[0], "left" if at[chain[1]] < at[pair[0]] else "right"].append(pair)
        sides[pair[1], "left" if at[chain[-2]] < at[pair[1]] else "right"].append(pair)
    heights: dict[Key, float] = {
        key: max(_LINE * len(lines[key]) + 14, *(_PORT * len(sides[key, side]) + 6 for side in ("left", "right")))
        if key in lines
        else _PORT - _BETWEEN / 2
        for layer in layers
        for key in layer
    }
    tall = max(sum(heights[key] + _BETWEEN for key in layer) - _BETWEEN for layer in layers)
    place: dict[Key, Rect] = {}
    x = 0.0
    for layer, column in zip(layers, columns, strict=True):
        y = _HEAD + (tall - sum(heights[key] + _BETWEEN for key in layer) + _BETWEEN) / 2
        for key in layer:
            place[key] = Rect(x, y, column.width, heights[key])
            y += heights[key] + _BETWEEN
        x += column.width + _GUTTER

    meets: dict[tuple[Key, tuple[Key, Key]], float] = {}  # y of where an arrow meets a box
    for (key, _), pairs in sides.items():
        beside = {pair: place[chains[pair][1 if pair[0] == key else -2]] for pair in pairs}
        pairs.sort(key=lambda pair: (beside[pair].y + beside[pair].height / 2, pair))
        for index, pair in enumerate(pairs):
            middle = place[key].y + place[key].height / 2
            meets[key, pair] = middle + _PORT * (index - (len(pairs) - 1) / 2)

    boxes = {key: box for column in columns for key, box in column.boxes.items()}
    body = [
        f'<text class="head" x="{place[layer[0]].x:g}" y="12">{escape(column.title)}</text>'
        for layer, column in zip(layers, columns, strict=True)
    ]
    for pair, chain in chains.items():
        begin, end, colour = meets[pair[0], pair], meets[pair[1], pair], boxes[pair[0]].colour
        body += _arrow(chain, place, begin=begin, end=end, label=edges[pair], colour=colour)
    for key, box in boxes.items():
        body += _box(box, lines[key], place[key])
    return Part(title, x - _GUTTER + 70, _HEAD + tall, body)


def _put_in_order(layers: list[list[Key]], chains: Iterable[Sequence[Key]]) -> None:
    """Each column by the mean place of its boxes' neighbours, back and forth: few arrows cross then."""
    beside: dict[Key, list[Key]] = defaultdict(list)
    for chain in chains:
        for one, other in pairwise(chain):
            beside[one].append(other)
            beside[other].append(one)
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            place = {key: index / len(each) for each in layers for index, key in enumerate(each)}
            layer.sort(
                key=lambda key: (sum(place[one] for one in beside[key]) / len(beside[key]) if beside[key] else 1, key)
            )


def _lines(box: Box, width: int) -> list[tuple[str, str]]:
    """(class, text) of each line of a box."""
    names = wrap(box.name, int((width - 20) / 7.5), break_on_hyphens=False)
    notes = wrap(box.note, int((width - 20) / 6), break_on_hyphens=False)
    return [("", line) for line in names] + [("note", line) for line in notes]


def _box(box: Box, lines: Sequence[tuple[str, str]], place: Rect) -> Iterator[str]:
    x, y, width, height = place
    yield f'<rect class="box s{box.colour}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"/>'
    first = y + (height - _LINE * len(lines)) / 2 + 13
    for index, (kind, line) in enumerate(lines):
        marked = f' class="{kind}"' if kind else ""
        yield f'<text{marked} x="{x + 10:g}" y="{first + _LINE * index:g}">{escape(line)}</text>'


def _arrow(
    chain: Sequence[Key], place: Mapping[Key, Rect], *, begin: float, end: float, label: str, colour: int
) -> Iterator[str]:
    """From the first of a chain to its last, past those between. begin, end: y of where it meets their boxes."""
    who, whom = chain[0], chain[-1]
    same = place[who].x == place[whom].x
    forth = same or place[chain[1]].x > place[who].x
    right = same or not forth  # the side at which it arrives
    here = (place[who].x + (place[who].width if forth else 0), begin)
    there = (place[whom].x + (place[whom].width + 3 if right else -3), end)
    drawn = [f"M{here[0]:g} {here[1]:g}"]
    for passed in (place[key] for key in chain[1:-1]):
        near, far = (passed.x, passed.x + passed.width) if forth else (passed.x + passed.width, passed.x)
        drawn.append(f"{_curve(here, (near, passed.y + passed.height / 2))}H{far:g}")
        here = (far, passed.y + passed.height / 2)
    if same:
        away = here[0] + 34 + abs(end - begin) / 12
        drawn.append(f"C{away:g} {begin:g} {away:g} {end:g} {there[0]:g} {end:g}")
    else:
        drawn.append(_curve(here, there))
    said = f"{who[1]} to {whom[1]}" + (f": {label}" if label else "")
    yield f'<g class="path"><title>{escape(said)}</title>'
    yield f'<path class="arrow s{colour}" marker-end="url(#arrow{colour})" d="{"".join(drawn)}"/>'
    if label:
        beside = f'text-anchor="{"start" if right else "end"}" x="{there[0] + (10 if right else -10):g}"'
        yield f'<text class="port" {beside} y="{end + 4:g}">{escape(label)}</text>'
    yield "</g>"


def _curve(begin: tuple[float, float], end: tuple[float, float]) -> str:
    middle = (begin[0] + end[0]) / 2
    return f"C{middle:g} {begin[1]:g} {middle:g} {end[1]:g} {end[0]:g} {end[1]:g}"
