"""A graph of names: order, neighbours, and cycles shown as a path."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


class Graph:
    """Hold which name needs which; names that are needed and have no entry have only `readers`.

    >>> graph = Graph({'c': ['b'], 'b': ['a'], 'a': [], 'd': ['a']})
    >>> graph.order()
    ['a', 'b', 'c', 'd']
    >>> sorted(graph.downstream(['b'])), sorted(graph.upstream(['b']))
    (['b', 'c'], ['a', 'b'])
    >>> Graph({'b': ['raw'], 'c': ['b']}).readers('raw')
    ('b',)
    """

    def __init__(self, needs: Mapping[str, Collection[str]]) -> None:
        self._needs = {
            name: tuple(need for need in dict.fromkeys(needed) if need in needs)
            for name, needed in needs.items()
        }
        users: dict[str, list[str]] = {name: [] for name in needs}
        readers: dict[str, list[str]] = {}
        for name, needed in needs.items():
            for need in dict.fromkeys(needed):
                (users[need] if need in users else readers.setdefault(need, [])).append(name)
        self._users = {name: tuple(used) for name, used in users.items()}
        self._readers = {name: tuple(used) for name, used in readers.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._needs

    def needs(self, name: str) -> tuple[str, ...]:
        """Return what a name needs itself."""
        return self._needs[name]

    def users(self, name: str) -> tuple[str, ...]:
        """Return what needs a name itself."""
        return self._users[name]

    def readers(self, name: str) -> tuple[str, ...]:
        """Return what needs a name that has no entry itself."""
        return self._readers.get(name, ())

    def upstream(self, names: Iterable[str]) -> set[str]:
        """Return these names and all that they need."""
        return _reach(names, self._needs)

    def downstream(self, names: Iterable[str]) -> set[str]:
        """Return these names and all that needs them."""
        return _reach(names, self._users)

    def order(self) -> list[str]:
        """Return all names, each after what it needs, else in the order they were given.

        Raises:
            ValueError: if there is a cycle; see `cycle`.
        """
        done: dict[str, None] = {}
        path: dict[str, None] = {}
        for root in self._needs:
            stack = [root]
            while stack:
                name = stack[-1]
                if name in done:
                    stack.pop()
                    continue
                path[name] = None
                waiting = [need for need in self._needs[name] if need not in done]
                if not waiting:
                    done[name] = None
                    path.pop(name)
                    stack.pop()
                elif any(need in path for need in waiting):
                    raise ValueError("the graph has a cycle")
                else:
                    stack.append(waiting[0])
        return list(done)

    def cycle(self) -> list[str] | None:
        """Return one cycle as a path whose ends are equal, or None.

        >>> Graph({'a': ['b'], 'b': ['a']}).cycle()
        ['a', 'b', 'a']
        """
        done: set[str] = set()
        for root in self._needs:
            path: list[str] = []
            todo = [iter((root,))]
            while todo:
                name = next(todo[-1], None)
                if name is None:
                    todo.pop()
                    if path:
                        done.add(path.pop())
                elif name in path:
                    return [*path[path.index(name) :], name]
                elif name not in done:
                    path.append(name)
                    todo.append(iter(self._needs[name]))
        return None


def _reach(names: Iterable[str], edges: Mapping[str, tuple[str, ...]]) -> set[str]:
    todo = [name for name in names if name in edges]
    found = set(todo)
    while todo:
        for name in edges[todo.pop()]:
            if name not in found:
                found.add(name)
                todo.append(name)
    return found
