"""Templates of notices can do what they are for, and cannot take long, much, or anything else."""

from __future__ import annotations

import time

import pytest

from f2b_worker.config import notice_templates
from f2b_worker.config.notice_templates import NoticeTemplate, check_template
from f2b_worker.config.notices import EXAMPLE, TAGS


def test_a_template_has_fail2bans_tags_loops_conditions_and_filters() -> None:
    source = (
        "{{ ip }} {{ jail|upper }} {{ failures }} {{ bantime }} {{ bancount }} {{ matches }} {{ time }}"
        " {{ fleet }}"
        "{% for ban in bans %}{% if not loop.first %}, {% endif %}{{ loop.index }}: {{ ban.ip }}{% endfor %}"
        " {{ top_networks|join('; ', 'name') }} {{ (bantime / 60)|round(1) }} {{ ip|tojson }}"
    )
    assert NoticeTemplate(source, 1000).render(EXAMPLE) == (
        "203.0.113.7 LOGIN 5 600 1 GET /login 2026-11-30T01:02:03Z f2b1: 203.0.113.7, 2: 203.0.113.7"
        ' 203.0.113.0/24 10.0 "203.0.113.7"'
    )


def test_what_an_attacker_wrote_is_text_and_no_template() -> None:
    values = {**EXAMPLE, "matches": "{{ 7 * 7 }}{% for a in b %}"}
    assert NoticeTemplate("{{ matches }}", 100).render(values) == "{{ 7 * 7 }}{% for a in b %}"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ ''.__class__ }}", "has no attribute '__class__'"),
        ("{{ bans.append }}", "has no attribute 'append'"),
        ("{{ bans.__init__.__globals__ }}", "has no attribute '__init__'"),
        ("{{ range(9) }}", "may not use a call"),
        ("{{ 'a' * 1000000000 }}", "may not use *"),
        ("{{ 9 ** 999999999 }}", "may not use **"),
        ("{{ '%1000000000d' % 1 }}", "may not use %"),
        ("{{ ip ~ ip }}", "may not use ~"),
        ("{% set a = ip %}", "may not use set"),
        ("{% set a %}{{ ip }}{% endset %}", "may not use set"),
        ("{% macro a() %}{% endmacro %}", "may not use a macro"),
        ("{% include 'f2b.toml' %}", "may not use include"),
        ("{% import 'a' as a %}", "may not use import"),
        ("{% extends 'a' %}", "may not use extends"),
        ("{{ [ip, ip] }}", "may not use a list"),
        ("{{ ip|center(1000000000) }}", "no filter 'center'"),
        ("{{ ip|attr('__class__') }}", "attr"),
        ("{{ ip|replace('0', ip) }}", "no filter 'replace'"),
        ("{{ ip|join('-') }}", "join needs a list"),
        ("{{ bans|join('" + "-" * 101 + "') }}", "a separator of join has 100 characters at most"),
        (
            "{% for a in bans %}{% for b in bans %}{% for c in bans %}{% endfor %}{% endfor %}{% endfor %}",
            "2 deep",
        ),
        ("{{ ip" + "|sort|string" * 200 + " }}", "nested too deep"),
        ("{{ ip" + "|sort|string" * 18 + " }}", "makes more than"),
        ("{{ ip" + "|tojson" * 35 + " }}", "makes more than"),
        ("x" * 8_001, "is longer than 8,000 characters"),
        ("{{ ipp }}", "'ipp' is undefined; a template may use ip, jail, failures"),
        ("{{ bans[0].ips }}", "has no attribute 'ips'"),
        ("{{ bans[0].ip }}", "list object has no element 0; a template may use"),
        ("{{ count / 0 }}", "cannot be filled in: division by zero"),
        ("{{ ip", "unexpected end of template"),
        ("{% for a in count %}{% endfor %}", "cannot be filled in"),
    ],
)
def test_whatever_is_not_known_to_be_bounded_is_refused_in_one_line(source: str, reason: str) -> None:
    began_s = time.process_time()
    with pytest.raises(ValueError, match=r".") as refused:
        check_template(source, 200_000)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert time.process_time() - began_s < 5, "of CPU, whoever else runs here"


def test_a_template_that_makes_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="makes more than 100 characters"):
        NoticeTemplate("{% for a in bans %}" + "x" * 60 + "{% endfor %}", 100).render(EXAMPLE)


def test_a_template_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_templates, "WITHIN_S", 0.0)
    template = NoticeTemplate("{% for a in bans %}{% for b in bans %}{% endfor %}{% endfor %}", 100)
    with pytest.raises(ValueError, match="it takes longer than"):
        template.render({**EXAMPLE, "bans": [TAGS] * 500})
