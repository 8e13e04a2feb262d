"""An estimate for people: Markdown that reads well in a terminal, too."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from operations.cost.estimate import Estimate
from operations.cost.prices import BY_REGION, CURRENCY, EVERYWHERE, HOURS, READ, Price

ASSUMPTIONS = (
    f"a month has {HOURS} hours, and everything is there for all of it",
    "list prices on demand: no discount for use all month or for commitments, no credit, no free allowance of a "
    "billing account, no tax",
    "at least: the pools' fewest nodes in every zone; at most: as many as their autoscaler may make; the node more "
    "that an upgrade has for a while is not counted",
    "volumes are paid in the size that is asked for, however full they are",
    "a key's former versions stay, and cost on: at most is after a year",
    "a Gateway has one forwarding rule for each of its ports; the address that it listens at is reserved by hand, and "
    "not counted; a NAT has one address",
)


def dollars(amount: Decimal) -> str:
    """`1,234.56`."""
    return f"{amount:,.2f}"


def total(estimate: Estimate) -> str:
    """`1,200 to 2,300 USD a month`."""
    return f"{estimate.least:,.0f} to {estimate.most:,.0f} {CURRENCY} a month"


def difference(before: Estimate, after: Estimate) -> str:
    """`+0.00 to +311.96 USD`: of a change, with the fewest nodes and with the most."""
    least, most = after.least - before.least, after.most - before.most
    return f"{least:+,.2f} {CURRENCY}" if least == most else f"{least:+,.2f} to {most:+,.2f} {CURRENCY}"


def summary(before: Estimate, after: Estimate) -> str:
    """What a change means, on one line."""
    return f"Costs: {total(after)}; this change: {difference(before, after)}"


def unpriced(estimate: Estimate) -> str:
    """What has no price here, in a list."""
    return ", ".join(f"{what} ({count})" if count > 1 else what for what, count in estimate.unpriced.items())


def report(stack: str, estimate: Estimate) -> str:
    """All that there is to say."""
    return "\n".join(
        [
            f"# {stack} costs {total(estimate)}\n",
            *by_the_month(estimate),
            "",
            *by_use(estimate),
            "",
            f"**Not priced**, because no page was found that says it: {unpriced(estimate) or 'nothing'}.",
            "",
            f"Prices in {CURRENCY}, read on {READ} where docs/google-cloud.md says. Assumed:",
            "",
            *_assumed(),
            "",
        ]
    )


def page(estimates: Mapping[str, Estimate]) -> str:
    """What docs/google-cloud.md has of it: the sums of some stacks, what is assumed, every price with its source."""
    sums = [(f"`{stack}`", dollars(each.least), dollars(each.most)) for stack, each in estimates.items()]
    lacking = sorted({what for each in estimates.values() for what in each.unpriced})
    return "\n".join(
        [
            *table(("stack", f"{CURRENCY} a month at least", "at most"), sums),
            "",
            f"Not priced, because no page was found that says it: {', '.join(lacking)}. Assumed:",
            "",
            *_assumed(),
            "",
            f"The prices, read on {READ}:",
            "",
            *_prices(),
            "",
        ]
    )


def _assumed() -> Iterator[str]:
    return (f"- {each};" for each in ASSUMPTIONS)


def by_the_month(estimate: Estimate) -> Iterator[str]:
    """What has a sum."""
    rows = [(line.what, line.count, dollars(line.least), dollars(line.most)) for line in estimate.lines]
    sums = ("**all**", "", f"**{dollars(estimate.least)}**", f"**{dollars(estimate.most)}**")
    yield from table(("by the month", "how many", f"{CURRENCY} at least", "at most"), [*rows, sums])


def by_use(estimate: Estimate) -> Iterator[str]:
    """What has a price alone."""
    rows = [(used.what, f"{used.price.dollars} / {used.price.unit}", ", ".join(used.of)) for used in estimate.used]
    yield from table(("by use", CURRENCY, "of"), rows)


def _prices() -> Iterator[str]:
    """The prices, and below them where each was read."""
    known: list[tuple[str, str, Price]] = [
        *((what, "all", price) for what, price in EVERYWHERE.items()),
        *((what, region, price) for region, those in BY_REGION.items() for what, price in those.items()),
    ]
    sources = list(dict.fromkeys(price.source for _, _, price in known))
    rows = [
        (what, region, f"{price.dollars} / {price.unit}", str(sources.index(price.source) + 1))
        for what, region, price in known
    ]
    yield from table(("what", "region", CURRENCY, "source"), rows)
    yield ""
    for number, source in enumerate(sources, 1):
        yield f"{number}. <{source.page}>, from {source.copy}{f', of {source.day}' if source.day else ''}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Markdown whose columns stand below each other."""
    cells = [[cell.replace("|", "/") for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for index, row in enumerate(cells):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        if index == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
