"""fail2ban's files are found as fail2ban finds them, and what is not there is skipped with a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from f2b_worker.offline.fail2ban_import.files import action_files, find_files, folders_of
from f2b_worker.offline.fail2ban_import.ini import Fail2banFileError, Source


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def names(folder: Path, *named: str) -> list[str]:
    found = find_files([folder / name for name in named])
    return [str(Path(source.name).relative_to(folder)) for source in found.sources]


def test_a_folder_is_read_in_fail2bans_order(tmp_path: Path) -> None:
    write(tmp_path, jail_local="", jail_d__z_conf="", jail_d__a_local="", jail_d__B_conf="", jail_conf="")
    write(tmp_path, fail2ban_conf="", fail2ban_d__x_conf="", filter_d__sshd_conf="")
    assert names(tmp_path, ".") == [
        *("fail2ban.conf", "fail2ban.d/x.conf"),
        *("jail.conf", "jail.d/B.conf", "jail.d/z.conf", "jail.local", "jail.d/a.local"),
    ]


def test_only_fail2ban_conf_belongs_to_the_server(tmp_path: Path) -> None:
    write(tmp_path, fail2ban_conf="", fail2ban_d__x_conf="", jail_conf="")
    assert [source.is_server for source in find_files([tmp_path]).sources] == [True, True, False]


def test_what_a_file_includes_is_read_before_and_after_it_with_its_local_file(tmp_path: Path) -> None:
    write(tmp_path, jail_conf="[INCLUDES]\nbefore = a.conf\n  b.conf\nafter = c.conf\n")
    write(tmp_path, a_conf="[INCLUDES]\nafter = d.conf\n", a_local="", b_conf="", c_conf="", d_conf="")
    assert names(tmp_path, "jail.conf") == ["a.conf", "d.conf", "a.local", "b.conf", "jail.conf", "c.conf"]


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, jail_conf="[INCLUDES]\nbefore = a.conf\n", a_conf="[INCLUDES]\nbefore = jail.conf\n")
    assert names(tmp_path, "jail.conf") == ["a.conf", "jail.conf"]


def test_what_is_not_there_is_skipped_with_a_word_each_once(tmp_path: Path) -> None:
    write(tmp_path, jail_conf="[INCLUDES]\nafter = gone.local\n", empty__x="")
    named = ["jail.conf", "jail.conf", "jail.local", "jail.d/*.local", "empty"]
    found = find_files([tmp_path / name for name in named])
    assert found.skipped == (
        f"{tmp_path}/gone.local: not there, although jail.conf includes it: skipped",
        f"{tmp_path}/jail.local: not there: skipped",
        f"{tmp_path}/jail.d/*.local: nothing matches it: skipped",
        f"{tmp_path}/empty: no jail.conf or jail.local in it: skipped",
    )
    assert len(found.sources) == 2


def test_a_pattern_that_the_shell_left_alone_is_followed(tmp_path: Path) -> None:
    write(tmp_path, jail_d__b_conf="", jail_d__a_conf="", jail_d__c_local="")
    assert names(tmp_path, "jail.d/*.conf") == ["jail.d/a.conf", "jail.d/b.conf"]


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "jail.conf").write_bytes(b"# caf\xe9\n")
    with pytest.raises(Fail2banFileError, match=r"jail\.conf: not UTF-8"):
        find_files([tmp_path])


@pytest.mark.parametrize("named", ["", "jail.conf", "jail.d/x.conf"])
def test_the_files_of_an_action_are_found_beside_the_jails(named: str, tmp_path: Path) -> None:
    write(tmp_path, jail_conf="", jail_d__x_conf="", action_d__own_conf="[INCLUDES]\nbefore = base.conf\n")
    write(tmp_path, action_d__base_conf="", action_d__own_local="")
    found: list[Source] = action_files(folders_of([tmp_path / named]), "own")
    assert [Path(source.name).name for source in found] == ["base.conf", "own.conf", "own.local"]
    assert action_files(folders_of([tmp_path / named]), "gone") == []
