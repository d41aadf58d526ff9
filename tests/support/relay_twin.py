"""Relay chains, slowly: the order of the visits and the links, target by target."""

from __future__ import annotations

from itertools import pairwise


def slow_order(source, targets, routing):
    """Places (x, y) in the order of the visits; `source` is None for the host."""

    def turned(place):
        return place if routing == "xy" else (place[1], place[0])

    left = [turned(place) for place in targets]
    path, entry = [], None
    if source is not None:
        first, entry = turned(source)
        path = sorted((p for p in left if p[1] == entry and p[0] <= first), reverse=True)
        left = [p for p in left if p not in path]
    for line in sorted({a for a, _ in left}):
        places = sorted(b for a, b in left if a == line)
        if entry is not None:
            above = [b for b in places if b >= entry]
            places = above + [b for b in reversed(places) if b < entry]
        path += [(line, b) for b in places]
        entry = places[-1]
    return [turned(place) for place in path]


def slow_links(paths, source, targets, routing):
    """Links of a chain, or of single packets if they are fewer; `paths` is a DimensionOrder."""
    order = slow_order(source, targets, routing)
    if source is None:
        chain = paths.from_host(order[:1])
        alone = [link for place in order for link in paths.from_host([place])]
    else:
        chain = paths.links(source, order[0])
        alone = [link for place in order for link in paths.links(source, place)]
    chain = chain + [link for here, to in pairwise(order) for link in paths.links(here, to)]
    return chain if len(chain) <= len(alone) else alone
