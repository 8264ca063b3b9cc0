"""Tables of methods, resolved class by class when a method of the class is looked up."""

from __future__ import annotations

from ember_jit.compiler.analysis.registry import genuine as check
from ember_jit.compiler.analysis.registry.known import Known, Rows, named

Words = dict[
    str, tuple[Known, str]
]  # name -> template and title; the entry is made when it is asked for


def expand(rows: Rows, title: str, ending: str = "()") -> Words:
    """The rows of a table by name."""
    return {
        name: (known, f"{title}{name}{ending}") for known, names in rows for name in names.split()
    }


class Types:
    """Tables of methods by the identity of their class, resolved like functions: by the root of the class's module."""

    def __init__(self, tables: dict[str, Rows]) -> None:
        self._found: dict[int, tuple[type, Words]] = {}
        self._known: dict[tuple[int, str], Known] = {}
        self._pending: dict[str, dict[str, Rows]] = {}
        for path, rows in tables.items():
            self._pending.setdefault(check.root(path.partition(":")[0]), {})[path] = rows

    def get(self, cls: type, name: str) -> Known | None:
        entry = self._found.get(id(cls))
        if entry is None or entry[0] is not cls:
            self._resolve(check.root(check.class_module(cls)))
            entry = self._found.get(id(cls))
            if entry is None or entry[0] is not cls:
                return None
        words = entry[1].get(name)
        if words is None or not _unpatched(cls, name):
            return None
        return self._entry(cls, name, words)

    def named(self, path: str) -> type | None:
        """The class at "module:Type", if its table applies to it by now."""
        module, _, name = path.partition(":")
        self._resolve(check.root(module))
        space = check.loaded(module)
        cls = None if space is None else space.get(name)
        entry = self._found.get(id(cls))
        return entry[0] if entry is not None and entry[0] is cls else None

    def entries(self) -> list[tuple[type, dict[str, Known]]]:
        """Every class of the modules loaded by now, with its table."""
        for root in self._pending:
            self._resolve(root)
        found = list(self._found.values())
        return [
            (cls, {name: self._entry(cls, name, words) for name, words in table.items()})
            for cls, table in found
        ]

    def resolved(self) -> frozenset[type]:
        """The classes whose tables were resolved so far."""
        return frozenset(cls for cls, _ in self._found.values())

    def _entry(self, cls: type, name: str, words: tuple[Known, str]) -> Known:
        known = self._known.get((id(cls), name))
        if known is None:
            known = self._known[id(cls), name] = named(*words)
        return known

    def _resolve(self, root: str) -> None:
        paths = self._pending.get(root, {})
        for path in list(paths):
            module, _, name = path.partition(":")
            space = check.loaded(module)
            if space is None or (module != "numpy" and not check.is_stdlib(space)):
                continue
            cls = space.get(name)
            if cls is None:
                paths.pop(path, None)
            elif issubclass(type(cls), type) and _own_class(cls, module, name):
                title = name if module == "builtins" else f"{module}.{name}"
                self._found[id(cls)] = (cls, expand(paths.get(path, ()), f"{title}."))
                paths.pop(path, None)


def _own_class(cls: type, module: str, name: str) -> bool:
    if check.is_immutable_type(cls):
        return True
    where = check.class_module(cls)
    return check.root(where) == check.root(module) and check.class_path(cls).endswith(f":{name}")


def _unpatched(cls: type, name: str) -> bool:
    """Whether the class still has its own method under this name."""
    if check.is_immutable_type(cls):
        return check.class_member(cls, name) is not None
    owner = check.member_home(cls, name)
    if owner is None:
        return False
    member = check.class_member(cls, name)
    return check.belongs(member, check.root(check.class_module(owner)))
