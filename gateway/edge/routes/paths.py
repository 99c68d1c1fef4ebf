"""Finds the routes that may take a path, by its segments, without looking at the others."""

from collections.abc import Sequence

from gateway.edge.routes.compiled import CompiledRoute

Candidates = tuple[CompiledRoute, ...]


class Node:
    """A segment of a path. ``candidates`` take every path that goes through it and through no child."""

    __slots__ = ("candidates", "children", "places")

    def __init__(self) -> None:
        self.candidates: Candidates = ()
        self.children: dict[bytes, Node] = {}
        self.places: list[int] = []


class PathIndex:
    """``routes`` are in the order in which they win."""

    def __init__(self, routes: Sequence[CompiledRoute]) -> None:
        self.routes = tuple(routes)
        self._root = Node()
        self._depth = 1
        exact: dict[bytes, list[int]] = {}
        for place, compiled in enumerate(self.routes):
            if compiled.is_exact:
                exact.setdefault(compiled.prefix, []).append(place)
            else:
                self._add(place, compiled.prefix)
        self._fill(self._root, [])
        self._exact = {
            path: self._at(sorted(places + self._node(path).places)) for path, places in exact.items()
        }

    def candidates(self, path: bytes) -> Candidates:
        """The routes whose path fits, in their order."""
        exact = self._exact.get(path)
        return exact if exact is not None else self._node(path).candidates

    def _node(self, path: bytes) -> Node:
        """The last known segment of a path."""
        node = self._root
        for segment in path.split(b"/", self._depth)[1:]:
            child = node.children.get(segment)
            if child is None:
                break
            node = child
        return node

    def _add(self, place: int, prefix: bytes) -> None:
        node = self._root
        segments = prefix.split(b"/")[1:]
        for segment in segments:
            node = node.children.setdefault(segment, Node())
        node.places.append(place)
        # One more piece holds the rest of a longer path.
        self._depth = max(self._depth, len(segments) + 1)

    def _fill(self, node: Node, above: list[int]) -> None:
        node.places = sorted(above + node.places)
        node.candidates = self._at(node.places)
        for child in node.children.values():
            self._fill(child, node.places)

    def _at(self, places: list[int]) -> Candidates:
        return tuple(self.routes[place] for place in places)
