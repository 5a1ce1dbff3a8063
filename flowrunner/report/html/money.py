"""What the run cost, where the money went, and what is not known about it."""

from __future__ import annotations

from flowrunner.events import JSON
from flowrunner.report.figures import count, counted, money, share
from flowrunner.report.html.markup import Child, Markup, element
from flowrunner.report.html.pieces import price, prose, raw, section

_LINES = 40


def money_section(report: JSON) -> Markup | None:
    """Tables by step and by model; None where nothing was sent."""
    bill = report["money"]
    if not (bill["by_step"] or bill["possibly_billed"] or bill["saved"]["units"]):
        return None
    simulated = bill["is_simulated"]
    parts: list[Child] = [_budget(bill)]
    if bill["by_step"]:
        parts.append(_table("Step", bill["by_step"], simulated))
    if bill["by_model"]:
        parts.append(_table("Model", bill["by_model"], simulated))
    return section("money", "Money", *parts, *_remarks(bill), note=_note(bill))


def _note(bill: JSON) -> str:
    if bill["is_simulated"]:
        return f"simulated: {price(bill, simulated=True)}"
    known = f"{money(bill['cost_usd'])} in all"
    return (
        f"{known}, as far as it is known" if bill["unknown"] or bill["possibly_billed"] else known
    )


def _budget(bill: JSON) -> Child:
    """How much of the budget is spent, as a bar with words beside it; None without a budget."""
    stop_at = (bill["budget"] or {}).get("stop_at_usd")
    if not stop_at:
        return None
    part = min(bill["cost_usd"] / stop_at, 1.0)
    words = f"{money(bill['cost_usd'])} of the budget of {money(stop_at)} ({share(part)})"
    if bill["is_simulated"]:
        words = f"{price(bill, simulated=True)}, of a budget of {money(stop_at)}"
    elif not bill["cost_is_complete"]:
        words += ", as far as it is known"
    return element("div", "budget", element("p", "", words), _share_bar(part, "track"))


def _table(title: str, lines: JSON, simulated: bool) -> Markup:
    most = max((line["cost_usd"] for line in lines), default=0) or 1
    heads = [(title, ""), ("Cost", "number"), ("", "bar-cell"), ("In", "number")]
    heads += [("Cached", "number"), ("Out", "number"), ("Answers", "number")]
    head = [element("th", {"scope": "col", "class": classes}, word) for word, classes in heads]
    rows = [_line(line, most, simulated) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        words = f"and {count(len(lines) - _LINES)} more, all in report.json"
        rows.append(element("tr", "", element("td", {"colspan": 7, "class": "soft"}, words)))
    attributes = {
        "class": "scroll",
        "tabindex": 0,
        "role": "group",
        "aria-label": f"Money by {title.lower()}",
    }
    table = element(
        "table", "", element("thead", "", element("tr", "", *head)), element("tbody", "", *rows)
    )
    return element("div", attributes, table)


def _line(line: JSON, most: float, simulated: bool) -> Markup:
    tokens = line["tokens"]
    answers = line["calls"]
    known = line["tokens_are_complete"]
    numbers = [tokens["input"], tokens["cached"], tokens["output"]]
    cost = price(line, simulated).removeprefix("would be about ").removeprefix("would be ")
    return element(
        "tr",
        "",
        element("th", {"scope": "row"}, line["name"]),
        element("td", "number", cost),
        element("td", "bar-cell", _share_bar(line["cost_usd"] / most)),
        *(
            element("td", "number", count(number) if number or known else "unknown")
            for number in numbers
        ),
        element("td", "number", count(answers)),
    )


def _share_bar(part: float, track: str | None = None) -> Markup:
    whole = element("rect", {"class": track, "width": "100%", "height": 8, "rx": 2})
    bar = {"class": "bar bar-answered", "width": f"{part * 100:.1f}%", "height": 8, "rx": 2}
    return element(
        "svg",
        {"width": "100%", "height": 8, "aria-hidden": "true"},
        whole if track else None,
        element("rect", bar),
    )


def _remarks(bill: JSON) -> list[Child]:
    remarks: list[Child] = []
    cached = bill["cached_share"]
    words = f"An estimate by the prices of {bill['prices_date']}, no bill."
    if cached:
        words += f" {share(cached)} of the input tokens came from the API's cache."
    remarks.append(element("p", "soft", words))
    saved = bill["saved"]
    if saved["units"]:
        least = "" if saved["is_complete"] else "at least "
        words = f"{counted(saved['units'], 'result')} of earlier runs reused: saved {least}"
        remarks.append(element("p", "soft", words + money(saved["usd"]) + "."))
    if bill["unknown"]:
        entries = [
            element("li", "", raw(entry["unit"]), ": ", prose(entry["why"]))
            for entry in bill["unknown"][:_LINES]
        ]
        title = "Not in the sum, because no price is known:"
        remarks.append(
            element("div", "remark", element("p", "", title), element("ul", "", *entries))
        )
    if bill["possibly_billed"]:
        entries = [_lost(entry) for entry in bill["possibly_billed"][:_LINES]]
        title = "Not in the sum, and possibly billed:"
        remarks.append(
            element("div", "remark", element("p", "", title), element("ul", "", *entries))
        )
    return remarks


def _lost(entry: JSON) -> Markup:
    ids = f"client request id `{entry['client_request_id']}`"
    if entry["request_id"]:
        ids = f"request id `{entry['request_id']}`, {ids}"
    return element("li", "", raw(entry["unit"]), ": ", entry["sentence"], " ", prose(f"({ids})"))
