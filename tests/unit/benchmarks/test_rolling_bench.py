"""What the benchmark of rolling restarts makes of what its clients saw and its servers stored."""

from __future__ import annotations

from itertools import islice

from benchmarks.rolling.bench import Load, figures, table
from benchmarks.rolling.fronts import FRONTS, FRONTS_OF_ONE
from benchmarks.rolling.load import CLIENTS, KINDS, addresses

SAW = Load({"200 GET anew": 2, "200 POST looks": 1, "502 GET trusts": 3, "cut GET anew": 1}, 0.25, ["a", "b", "c"])


def test_what_was_answered_200_and_is_not_stored_is_missing() -> None:
    found = figures(SAW, {"a": 1, "b": 2, "d": 1})
    assert (found["missing_200s"], found["stored_without_200"], found["stored_twice"]) == (1, 1, 1)


def test_what_was_not_answered_200_is_counted_by_status() -> None:
    found = figures(SAW, {})
    assert (found["requests"], found["not_200"]) == (7, 4)
    assert found["by_status"] == {"502": 3, "cut": 1}


def test_a_row_of_the_table_has_all_of_it() -> None:
    row = {"proxy": "nginx"} | figures(SAW, {"a": 1, "b": 1, "c": 1})
    assert table([row])[2:] == ["| nginx | 7 | 4 (502: 3, cut: 1) | 0 | 0, 0 | 0.25 s |"]


def test_no_two_clients_report_the_same_address() -> None:
    seen = [ip for number in range(CLIENTS) for ip in islice(addresses(number), 1_000)]
    assert len(set(seen)) == len(seen)


def test_each_kind_of_client_is_there_and_each_proxy_gets_the_lines_of_its_servers() -> None:
    assert set(KINDS[:CLIENTS]) == {"looks", "trusts", "anew"}
    for front in (*FRONTS.values(), *FRONTS_OF_ONE.values()):
        line = front.server.format(n=0, port=8001)
        assert line in front.rest.format(port=80, servers=line)
        assert ("8001" in line) == bool(front.program)
