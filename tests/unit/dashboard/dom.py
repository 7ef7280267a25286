"""HTML as a tree, for tests that ask what is on a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VOID = frozenset(["area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"])
"""What has no end in HTML: https://html.spec.whatwg.org/multipage/syntax.html#void-elements."""


@dataclass(eq=False)
class Node:
    """An element: its name, its attributes, and what is in it, texts included."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list[Node]:
        """Find elements; an attribute of the value "*" may have any."""

        def has(node: Node) -> bool:
            return all(
                name.rstrip("_").replace("_", "-") in node.attributes
                and value in {"*", node.attributes[name.rstrip("_").replace("_", "-")]}
                for name, value in attributes.items()
            )

        return [node for node in self.walk() if tag in {"*", node.tag} and has(node)]

    def one(self, tag: str, **attributes: str) -> Node:
        (node,) = self.all(tag, **attributes)
        return node

    def find(self, test: Callable[[Node], bool]) -> list[Node]:
        return [node for node in self.walk() if test(node)]

    @property
    def text(self) -> str:
        """All text in it, with one blank between the parts."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            yield from child._texts() if isinstance(child, Node) else [child]
            yield " "

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]


class _Reader(HTMLParser):
    """Builds the tree, and refuses what a browser would have to guess."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("root")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(html: bytes) -> Node:
    """Read a page."""
    reader = _Reader()
    reader.feed(html.decode())
    reader.close()
    assert reader.open == [reader.root], f"never ended: {[node.tag for node in reader.open[1:]]}"
    return reader.root
