"""Dominators: the nodes of a graph that are on every path from the root to another node.

The algorithm is by Cooper, Harvey and Kennedy (`A Simple, Fast Dominance Algorithm`): nodes are visited in reverse
postorder, and the dominator of a node is where the paths up from its predecessors meet; this is repeated until nothing
changes. It is a page long, and practically linear on graphs of packages, which have few cycles or none.
"""

from collections.abc import Sequence


def immediate_dominators(successors: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return for each node that the root (0) leads to the last node before it that is on every path to it.

    The root is its own. A node comes after the one that dominates it.
    """
    order = _reverse_postorder(successors)
    rank = {node: position for position, node in enumerate(order)}
    predecessors: list[list[int]] = [[] for _ in order]
    for node in order:
        for follower in successors[node]:
            predecessors[rank[follower]].append(rank[node])
    found = _by_rank(predecessors)
    return {node: order[above] for node, above in zip(order, found, strict=True)}


def _by_rank(predecessors: Sequence[Sequence[int]]) -> list[int]:
    """The immediate dominators of nodes numbered in reverse postorder."""
    dominator = [0] + [-1] * (len(predecessors) - 1)
    moved = True
    while moved:
        moved = False
        for node in range(1, len(predecessors)):
            above = -1
            for predecessor in predecessors[node]:
                if dominator[predecessor] >= 0:
                    above = predecessor if above < 0 else _meet(dominator, above, predecessor)
            if dominator[node] != above:
                dominator[node] = above
                moved = True
    return dominator


def _meet(dominator: Sequence[int], one: int, other: int) -> int:
    while one != other:
        if one > other:
            one = dominator[one]
        else:
            other = dominator[other]
    return one


def _reverse_postorder(successors: Sequence[Sequence[int]]) -> list[int]:
    finished: list[int] = []
    seen = {0}
    stack = [(0, iter(successors[0]))]
    while stack:
        node, followers = stack[-1]
        following = next((f for f in followers if f not in seen), None)
        if following is None:
            stack.pop()
            finished.append(node)
        else:
            seen.add(following)
            stack.append((following, iter(successors[following])))
    return finished[::-1]
