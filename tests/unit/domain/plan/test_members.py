"""Until when a network is wanted that stands for many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from f2b_worker.domain.plan.members import Members

ENTRIES, END_MS = st.sampled_from("abcde"), 1_700_000_000_000
STEPS = st.lists(st.tuples(ENTRIES, st.none() | st.integers(1, 4)))


@given(STEPS)
def test_a_network_lasts_as_long_as_the_longest_ban_in_it_whatever_came_and_went(
    steps: list[tuple[str, int | None]],
) -> None:
    network, ends_ms = Members(), dict[str, int]()
    for entry, until_ms in steps:
        if until_ms is not None:
            ends_ms[entry] = until_ms
            network.put(entry, until_ms)
        elif entry in ends_ms:
            del ends_ms[entry]
            network.drop(entry)
        assert network.until_ms == max(ends_ms.values(), default=0)
        assert network.members == ends_ms


class Looked(dict[str, int]):
    """Counts how often all were looked through."""

    times = 0

    def values(self) -> list[int]:  # type: ignore[override]
        self.times += 1
        return list(super().values())


def test_members_that_end_at_one_time_go_without_a_look_at_all_others_for_each() -> None:
    looked = Looked()
    network = Members(members=looked)
    for number in range(1000):
        network.put(str(number), END_MS)
    for number in range(1000):
        network.drop(str(number))
    assert looked.times == 1
    assert network.until_ms == 0
