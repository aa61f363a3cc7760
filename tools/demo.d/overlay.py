# SPDX-License-Identifier: LGPL-2.1-or-later
"""The links between the peers, as a graph and as a picture of it."""

DRAWN_MAX = 16                  # peers; of more the picture would not fit a terminal


def links_of(facts, instances):
    """What each peer says of its links as {peer: {linked peer: "out" or "in"}}; instances are the peers by their names.

    Empty while they do not agree: a link is seen by one end a moment before the other."""
    opposite = {"in": "out", "out": "in"}
    links = {}
    for peer, value in facts.items():
        links[peer] = {instances[entry["name"]]: entry["direction"] for entry in value["peers"]
                       if entry["name"] in instances}
    for peer, of in links.items():
        for other, direction in of.items():
            if links.get(other, {}).get(peer) != opposite[direction]:
                return {}
    return links


def is_connected(links):
    reached, left = set(), list(links)[:1]
    while left:
        peer = left.pop()
        if peer not in reached:
            reached.add(peer)
            left += links[peer]
    return len(reached) == len(links)


def draw(links):
    """A row for each peer and its link to each other one."""
    ports = {peer: peer.split("@")[1] for peer in links}
    if len(links) > DRAWN_MAX:
        counts = [len(of) for of in links.values()]
        return f"Each has {min(counts)} to {max(counts)} links."

    signs = {"out": "->", "in": "<-", None: "."}
    lines = ["Who is linked to whom (-> opened by the one on the left, <- by the one above):", "",
             "       " + "".join(f"{port:>7}" for port in ports.values())]
    for peer, of in links.items():
        cells = (" " if other == peer else signs[of.get(other)] for other in links)
        lines.append(f"{ports[peer]:>7}" + "".join(f"{cell:>7}" for cell in cells))
    return "\n".join(lines)
