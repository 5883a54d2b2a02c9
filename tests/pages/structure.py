"""Pages as HTML."""

import re
from html.parser import HTMLParser


class _Structure(HTMLParser):
    """Open elements, so that unclosed ones and duplicate ids show."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_whole(page: str) -> None:
    """Elements are closed, ids are unique, and headings leave out no level."""
    structure = _Structure()
    structure.feed(page)
    assert structure.open == []
    assert len(structure.ids) == len(set(structure.ids))
    assert structure.headings[0] == 1
    levels = zip(structure.headings, structure.headings[1:], strict=False)
    assert all(following <= level + 1 for level, following in levels)


def check_alone(page: str) -> None:
    """The page needs no other file and no network."""
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r'https?://[^"\s<]+', page)) <= names
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
