"""The attacks that the worker's benchmark offers, and what it makes of its runs."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.attacks import packs, times_ms
from benchmarks.worker.report import NAIVE, Contender, Run, against_one, compare, figures


class TestAttacks:
    def test_a_thousand_addresses_make_nine_tenths_of_a_concentrated_attack(self) -> None:
        counts = Counter(ip for pack in packs("zipf", 100)[:1000] for ip in pack)
        assert 0.88 < sum(number for _, number in counts.most_common(1000)) / counts.total() < 0.92

    def test_in_a_pure_zipf_attack_the_same_thousand_make_nine_tenths_of_all(self) -> None:
        counts = Counter(ip for pack in packs("pure-zipf", 100)[:1000] for ip in pack)
        assert 0.88 < sum(number for _, number in counts.most_common(1000)) / counts.total() < 0.92
        assert len(counts) <= 2_300

    def test_a_botnets_addresses_hardly_repeat(self) -> None:
        drawn = [ip for pack in packs("botnet", 100)[:100] for ip in pack]
        assert len(set(drawn)) > 0.98 * len(drawn)

    @pytest.mark.parametrize("size", [1, 100, 1000])
    def test_the_times_of_a_pack_lie_in_the_second_before_it(self, size: int) -> None:
        times = times_ms(size, 10_000)
        assert len(times) == size
        assert 9_000 <= min(times) <= max(times) < 10_000


class TestTheReport:
    @staticmethod
    def run(cpu_s: float, wall_s: float) -> Run:
        return Run(
            infractions=100_000,
            cpu_s=cpu_s,
            wall_s=wall_s,
            canned_cpu_s=0.5,
            requests=800,
            sqs_requests=200,
            write_units=10_000,
            read_units=0,
            calls={"ReceiveMessage": 100},
            bans=7,
        )

    def test_figures_are_for_the_cpu_second_and_for_round_numbers_of_infractions(self) -> None:
        worker = Contender("worker", 100, ())
        found = figures(worker, [self.run(cpu_s, 4.0) for cpu_s in (1.0, 2.0, 5.0)])
        assert found["infractions_per_cpu_s"] == {"median": 50_000, "min": 20_000, "max": 100_000}
        assert found["requests_per_1000"]["median"] == 8
        assert found["dollars_per_million"]["median"] == round((2_000 * 0.4 + 100_000 * 0.625) / 1e6, 4)
        assert found["calls_per_million"] == {"ReceiveMessage": 1000}

    def test_the_naive_worker_is_compared_by_cpu_and_several_processes_by_the_wall(self) -> None:
        pool = Contender("pool", 100, (), processes=4)
        slow, fast = self.run(100.0, 100.0), self.run(2.0, 1.0)
        found = {
            "zipf": {
                "worker": figures(Contender("worker", 100, ()), [self.run(1.0, 2.0)]),
                NAIVE.name: figures(NAIVE, [slow]),
                "pool": figures(pool, [fast]),
            }
        }
        ratios = compare(found, ["worker", NAIVE.name, "pool"])["zipf"]
        assert ratios["times_the_naive_worker"] == 100
        assert ratios["wall_rate_of_4_processes_against_1"]["median"] == 2
        assert ratios["cpu_rate_of_4_processes_against_1"] == 0.5

    def test_what_the_cores_allow_counts_the_canned_aws_as_a_user_of_them(self) -> None:
        one = {"wall_rates": [100], "infractions_per_cpu_s": {"median": 100}}
        four = one | {"processes": 4, "cores": 1.0, "canned_cores": 0.5, "wall_rates": [150]}
        assert against_one(one, four, 2)["most_that_2_cores_allow_beside_this_aws"] == 2.0
