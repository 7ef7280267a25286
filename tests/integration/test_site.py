"""The site of docs/: whole, good on a machine without a network, and built only if each link leads somewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sphinx.search.en import SearchEnglish

from docs._site.menu import menu_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
OF_THE_SITE = ("docs/conf.py", "docs/_site", "pyproject.toml")
# What a browser loads by itself; an `a` is followed by who wants to.
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}


def build(repository: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build it as `make site` does."""
    options = ["--conf-dir", "docs", "--nitpicky", "--fail-on-warning", "--keep-going", "--quiet", "--no-color"]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            *options,
            "--doctree-dir",
            str(site / "doctrees"),
            ".",
            str(site / "html"),
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )


def is_fresh(built: Path) -> bool:
    """Tell whether `make site` has built what the sources say now; CI does so before the tests."""
    sources = [*ROOT.glob("*.md"), *ROOT.glob("producer/*.md"), ROOT / "pyproject.toml"]
    sources += [
        each for each in (ROOT / "docs").rglob("*") if "_build" not in each.parts and each.suffix != ".pyc"
    ]
    newest_s = max(each.stat().st_mtime for each in sources if each.is_file())
    return built.exists() and built.stat().st_mtime > newest_s


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if is_fresh(ROOT / "docs/_build/built"):
        return ROOT / "docs/_build/html"
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert (built.returncode, built.stderr) == (0, "")
    return folder / "html"


@pytest.fixture
def small_repository(tmp_path: Path) -> Path:
    """A repository with the site's machinery and an index without pages."""
    for name in OF_THE_SITE:
        kind = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(exist_ok=True)
        kind(ROOT / name, tmp_path / name)
    (tmp_path / "docs/index.md").write_text("# Index\n\n## Why\n\n| | |\n|---|---|\n| | [it](page.md) |\n")
    return tmp_path


class Loads(HTMLParser):
    """Finds what a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name == LOADED.get(tag) and value]


def loaded_by(site: Path) -> Iterator[tuple[Path, str]]:
    for page in site.rglob("*.html"):
        yield from ((page, target) for target in Loads(page.read_text("utf-8")).found)
    for sheet in site.rglob("*.css"):
        found = re.findall(r"""url\(["']?([^"')]+)|@import\s+["']([^"']+)""", sheet.read_text("utf-8"))
        yield from ((sheet, one or other) for one, other in found)


def from_elsewhere(site: Path) -> list[str]:
    return [f"{path.name}: {target}" for path, target in loaded_by(site) if re.match(r"([a-z]+:)?//", target)]


def test_the_site_loads_nothing_from_another_host(site: Path) -> None:
    assert len(list(loaded_by(site))) > 100, "hardly anything is loaded: has its form changed?"
    assert from_elsewhere(site) == []


def test_what_a_page_of_the_site_loads_is_in_the_site(site: Path) -> None:
    targets = [(page, target) for page, target in loaded_by(site) if not target.startswith(("data:", "#"))]
    local = [(page, target.partition("?")[0]) for page, target in targets]

    assert [f"{page.name}: {target}" for page, target in local if not (page.parent / target).exists()] == []


def test_a_script_from_another_host_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<script src="//cdn.test/x.js"></script><img src="https://i.test/a.png">')
    (tmp_path / "page.css").write_text("@import 'https://fonts.test/x'; p { background: url(a.png) }")

    assert len(from_elsewhere(tmp_path)) == 3


@pytest.mark.parametrize(
    ("word", "page"),
    [("maxretry", "docs/fail2ban"), ("ip_set_deleted", "docs/blocklists"), ("F2B_QUEUE", "docs/settings")],
)
def test_the_search_of_the_site_finds_a_word_of_the_field_in_its_page_without_a_network(
    site: Path, word: str, page: str
) -> None:
    index = search_index(site)

    assert page in {index["docnames"][number] for number in found(index, word)}
    assert found(index, "nosuchword") == set()


def search_index(site: Path) -> dict[str, Any]:
    text = (site / "searchindex.js").read_text("utf-8")
    index: dict[str, Any] = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    return index


def found(index: dict[str, Any], words: str) -> set[int]:
    """Find the pages that have all words, as the site's searchtools.js does: it looks up the stem of each."""
    stems = map(SearchEnglish({}).stem, re.findall(r"\w+", words.lower()))
    return set.intersection(*({*_pages(index["terms"].get(stem, []))} for stem in stems))


def _pages(number_or_list: int | list[int]) -> list[int]:
    return [number_or_list] if isinstance(number_or_list, int) else number_or_list


def test_the_menu_of_the_site_names_each_page_and_what_it_is_for(site: Path) -> None:
    menu = menu_of((ROOT / "docs/index.md").read_text("utf-8"))
    shown = (site / "docs/wire.html").read_text("utf-8")

    captions = re.findall(r'<p class="caption"[^>]*><span class="caption-text">([^<]+)', shown)
    assert captions == list(menu) == ["Tutorial", "How-to", "Reference", "Why", "The project"]
    assert shown.count("toctree-l1") == sum(map(len, menu.values()))


def test_who_opens_the_folder_of_the_site_comes_to_its_index(site: Path) -> None:
    assert "url=docs/index.html" in (site / "index.html").read_text("utf-8")
    assert (site / "docs/index.html").exists()


def test_a_dead_link_a_dead_anchor_and_a_page_outside_the_index_keep_the_site_from_being_built(
    small_repository: Path, tmp_path: Path
) -> None:
    (small_repository / "docs/page.md").write_text("# Page\n\n[1](gone.md) [2](index.md#gone) [3](conf.py)\n")
    (small_repository / "docs/lost.md").write_text("# Lost\n")

    built = build(small_repository, tmp_path / "site")

    assert built.returncode != 0
    warned = sorted(re.findall(r"(\S+\.md)(?::\d+)?: WARNING: .*\[([\w.]+)\]", built.stderr))
    page = str(small_repository / "docs/page.md")
    lost = (str(small_repository / "docs/lost.md"), "toc.not_included")
    assert warned == [lost, (page, "myst.xref_missing"), (page, "myst.xref_missing")]


def test_a_link_to_code_leads_to_the_repository_and_one_to_a_file_of_the_docs_into_the_site(
    small_repository: Path, tmp_path: Path
) -> None:
    links = "[1](../deploy/x.yaml) [2](../deploy) [3](x.json) [4](../deploy/README.md)"
    (small_repository / "docs/page.md").write_text(f"# Page\n\n{links}\n")
    (small_repository / "deploy").mkdir()
    (small_repository / "deploy/x.yaml").touch()
    (small_repository / "deploy/README.md").touch()
    (small_repository / "docs/x.json").touch()
    _name_the_repository(small_repository / "pyproject.toml", "https://git.test/f2b")

    built = build(small_repository, tmp_path / "site")

    assert built.stderr == ""
    shown = (tmp_path / "site/html/docs/page.html").read_text("utf-8")
    assert 'href="https://git.test/f2b/blob/main/deploy/x.yaml"' in shown
    assert 'href="https://git.test/f2b/tree/main/deploy"' in shown
    assert 'href="https://git.test/f2b/blob/main/deploy/README.md"' in shown
    assert re.search(r'href="\.\./_downloads/\w+/x\.json"', shown)


def _name_the_repository(pyproject: Path, url: str) -> None:
    text = re.sub(r"\[project\.urls\][^\[]*", "", pyproject.read_text("utf-8"))
    pyproject.write_text(f'{text}\n[project.urls]\nSource = "{url}"\n', "utf-8")
