"""Every command of every page is run, in the page's order, against the local AWS, or says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from localstack.local_aws import REGION
from tests.docs.blocks import blocks_of, pages
from tests.docs.scenes import SCENES
from tests.docs.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localstack.local_aws import LocalAws

TO_RUN = [page for page in pages() if any(each.is_shell and not each.reason for each in blocks_of(page))]
WRITTEN_REGION, WRITTEN_ACCOUNT = "eu-west-1", "123456789012"


@pytest.fixture
def shell(aws_in_process: LocalAws, account: str, tmp_path: Path, forks: Path) -> Iterator[Shell]:
    filled_in = {
        f"https://sqs.{WRITTEN_REGION}.amazonaws.com": aws_in_process.endpoint_url,
        WRITTEN_ACCOUNT: account,
        WRITTEN_REGION: REGION,
    }
    shell = Shell(tmp_path, aws_in_process.child_environment(account), filled_in, forks)
    try:
        yield shell
    finally:
        shell.end()


@pytest.mark.parametrize("page", TO_RUN)
def test_what_a_page_has_its_reader_do_works_and_shows_what_the_page_shows(page: str, shell: Shell) -> None:
    if page in SCENES:
        SCENES[page](shell)

    for block in blocks_of(page):
        if block.saved_as:
            shell.write(block.saved_as, block.text)
        elif block.is_shell and not block.reason:
            shell.do(block)


def test_every_scene_is_of_a_page_that_is_run() -> None:
    assert set(SCENES) - set(TO_RUN) == set()
