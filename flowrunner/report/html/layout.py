"""Where the steps of a graph stand: layer by layer, few crossings, long edges around other steps.

Only numbers go in and out; what a step looks like is left to `graph`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in pixels: of a step, and of the room around it."""

    width: float = 178
    height: float = 68
    gap: float = 16
    layer_gap: float = 46
    lane: float = 14


@dataclass(slots=True)
class Layout:
    """Middle of each step in x, top in y, and each edge as the points it runs through."""

    width: float = 0.0
    height: float = 0.0
    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    edges: list[tuple[str, str, list[tuple[float, float]]]] = field(default_factory=list)


@dataclass(slots=True)
class _Dot:
    """A step in its layer, or the place where a long edge crosses a layer (`name` is None)."""

    name: str | None
    layer: int
    width: float
    height: float
    above: list[_Dot] = field(default_factory=list)
    below: list[_Dot] = field(default_factory=list)
    x: float = 0.0


def layers_of(waits_for: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The steps by layer: each stands below everything that it waits for.

    What a step waits for must come before it in the mapping; names that do not are ignored.
    """
    depth: dict[str, int] = {}
    for name, earlier in waits_for.items():
        depth[name] = 1 + max((depth[other] for other in earlier if other in depth), default=-1)
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name, layer in depth.items():
        layers[layer].append(name)
    return layers


def lay_out(
    waits_for: Mapping[str, Sequence[str]],
    sizes: Sizes,
    boxes: Mapping[str, tuple[float, float]] | None = None,
) -> Layout:
    """Place the steps of a small graph. Same graph, same places.

    `boxes` are the width and height of those steps that are not of the usual size.
    """
    dots, chains = _dots(waits_for, sizes, boxes or {})
    for sweep in range(_SWEEPS):
        _order(dots, downwards=sweep % 2 == 0)
    for sweep in range(_SWEEPS + 1):
        _spread(dots, sizes, downwards=sweep % 2 == 0)
    return _measured(dots, chains, sizes)


def _dots(
    waits_for: Mapping[str, Sequence[str]],
    sizes: Sizes,
    boxes: Mapping[str, tuple[float, float]],
) -> tuple[list[list[_Dot]], list[list[_Dot]]]:
    usual = (sizes.width, sizes.height)
    rows = [
        [_Dot(name, layer, *boxes.get(name, usual)) for name in names]
        for layer, names in enumerate(layers_of(waits_for))
    ]
    by_name = {dot.name: dot for row in rows for dot in row}
    chains = []
    for name, earlier in waits_for.items():
        for other in _nearest(earlier, waits_for):
            if other in by_name and by_name[other].layer < by_name[name].layer:
                chains.append(_chain(by_name[other], by_name[name], rows, sizes.lane))
    return rows, chains


def _nearest(earlier: Sequence[str], waits_for: Mapping[str, Sequence[str]]) -> list[str]:
    """Without those that are waited for anyway, by way of another: fewer lines say the same."""
    return [
        name
        for name in dict.fromkeys(earlier)
        if not any(_reaches(other, name, waits_for) for other in earlier if other != name)
    ]


def _reaches(start: str, goal: str, waits_for: Mapping[str, Sequence[str]]) -> bool:
    seen: set[str] = set()
    open_ = [start]
    while open_:
        name = open_.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            open_.extend(waits_for.get(name, ()))
    return False


def _chain(start: _Dot, end: _Dot, rows: list[list[_Dot]], lane: float) -> list[_Dot]:
    chain = [start]
    for layer in range(start.layer + 1, end.layer):
        dot = _Dot(None, layer, lane, 0.0)
        rows[layer].append(dot)
        chain.append(dot)
    chain.append(end)
    for upper, lower in pairwise(chain):
        upper.below.append(lower)
        lower.above.append(upper)
    return chain


def _order(rows: list[list[_Dot]], *, downwards: bool) -> None:
    """Sort each layer by the mean position of its neighbours, from one end to the other."""
    position = {id(dot): n for row in rows for n, dot in enumerate(row)}
    for row in rows if downwards else reversed(rows):
        means = {}
        for dot in row:
            near = dot.above if downwards else dot.below
            here = position[id(dot)]
            means[id(dot)] = sum(position[id(n)] for n in near) / len(near) if near else here
        row.sort(key=lambda dot: means[id(dot)])
        position |= {id(dot): n for n, dot in enumerate(row)}


def _spread(rows: list[list[_Dot]], sizes: Sizes, *, downwards: bool) -> None:
    """Move each layer as near to its neighbours as its own widths allow."""
    for row in rows if downwards else reversed(rows):
        wanted = [_wanted(dot, downwards=downwards) for dot in row]
        placed: list[float] = []
        for n, dot in enumerate(row):
            left = placed[-1] + _distance(row[n - 1], dot, sizes) if placed else wanted[n]
            placed.append(max(wanted[n], left))
        shift = sum(w - p for w, p in zip(wanted, placed, strict=True)) / len(row)
        for dot, x in zip(row, placed, strict=True):
            dot.x = x + shift


def _wanted(dot: _Dot, *, downwards: bool) -> float:
    near = (dot.above if downwards else dot.below) or dot.above or dot.below
    return sum(other.x for other in near) / len(near) if near else dot.x


def _distance(left: _Dot, right: _Dot, sizes: Sizes) -> float:
    return (left.width + right.width) / 2 + sizes.gap


def _measured(rows: list[list[_Dot]], chains: list[list[_Dot]], sizes: Sizes) -> Layout:
    dots = [dot for row in rows for dot in row]
    left = min((dot.x - dot.width / 2 for dot in dots), default=0.0)
    right = max((dot.x + dot.width / 2 for dot in dots), default=0.0)
    tall = [max(dot.height for dot in row) for row in rows]
    tops = list(accumulate((height + sizes.layer_gap for height in tall), initial=0.0))
    layout = Layout(right - left, max(0.0, tops[-1] - sizes.layer_gap))
    for dot in dots:
        dot.x -= left
        if dot.name:
            layout.places[dot.name] = (dot.x, tops[dot.layer])
    for chain in chains:
        points = [(chain[0].x, tops[chain[0].layer] + chain[0].height)]
        for dot in chain[1:-1]:
            points += [(dot.x, tops[dot.layer]), (dot.x, tops[dot.layer] + tall[dot.layer])]
        points.append((chain[-1].x, tops[chain[-1].layer]))
        layout.edges.append((str(chain[0].name), str(chain[-1].name), points))
    return layout
