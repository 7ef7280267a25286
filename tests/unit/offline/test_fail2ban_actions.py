"""What an action of fail2ban's does is read from its command, and from its name where it is fail2ban's own."""

from __future__ import annotations

import pytest

from f2b_worker.offline.fail2ban_import.actions import why_no_ban
from f2b_worker.offline.fail2ban_import.ini import Source

BANS = None


def reason(action: str, *files: str) -> str | None:
    sources = [Source(f"action.d/own.{end}", text) for end, text in zip(("conf", "local"), files, strict=False)]
    return why_no_ban(action, lambda _name: sources)


@pytest.mark.parametrize(
    "command",
    [
        "iptables -w -I f2b-<name> 1 -s <ip> -j DROP",
        "<iptables> -I f2b-x 1 -s <ip> -j <blocktype>",
        "ip6tables -A INPUT -s <ip> -j REJECT && conntrack -D -s <ip>",
        "ipset -exist add f2b-<name> <ip> timeout <bantime>",
        "nft add element inet f2b-table addr \\{ <ip> \\}",
        "ufw insert 1 deny from <ip>",
        "firewall-cmd --add-rich-rule=\"rule family='ipv4' source address='<ip>' reject\"",
        "pfctl -t f2b -T add <ip>",
        "ip route add blackhole <ip>",
        "csf -d <ip>",
        "cscli decisions add --ip <ip>",
        "fail2ban-client set recidive banip <ip>",
        "aws wafv2 update-ip-set --addresses <ip>",
        "echo 'ALL: <ip>' >> /etc/hosts.deny",
        "echo banned; iptables -I f2b 1 -s <ip> -j DROP # as ever",
    ],
)
def test_a_command_that_blocks_an_address_bans(command: str) -> None:
    own = f"[Definition]\nactionban = {command}\n[Init]\niptables = iptables <lock>\nlock = -w\nblocktype = DROP\n"
    assert reason("own", own) is BANS


@pytest.mark.parametrize(
    "command",
    [
        "fail2ban-client set sshd unbanip <ip>",
        "fail2ban-client unban <ip>",
        "fail2ban-client set sshd addignoreip <ip>",
        "iptables -D f2b-sshd -s <ip> -j DROP",
        "iptables -I INPUT 1 -s <ip> -j ACCEPT",
        "iptables -I f2b-sshd 1 -s <ip> -j RETURN",
        "ipset add whitelist <ip>",
        "ipset del f2b-sshd <ip>",
        "nft add element inet filter allowed \\{ <ip> \\}",
        "ufw allow from <ip>",
        "cscli decisions delete --ip <ip>",
        "curl -X DELETE https://waf.example.net/<ip>",
        "/usr/local/bin/unblock <ip>",
    ],
)
def test_a_command_that_lifts_or_lets_through_never_bans(command: str) -> None:
    assert reason("own", f"[Definition]\nactionban = {command}\n") == "its action own lifts bans or lets through"


@pytest.mark.parametrize(
    "command",
    [
        "/usr/local/bin/telegram ban <ip>",
        "logger <ip> is banned",
        "curl -H 'Accept: text/plain' https://x/<ip>",
        "true # iptables -I f2b 1 -s <ip> -j DROP",
        "echo iptables -I f2b 1 -s <ip> -j DROP",
        'printf "ipset add f2b %%s" <ip> >> /var/log/would-ban.log',
        "curl --data 'ipset add f2b <ip>, and into hosts.deny' https://x",
    ],
)
def test_a_command_that_nobody_knows_is_not_taken_for_a_ban(command: str) -> None:
    assert reason("own", f"[Definition]\nactionban = {command}\n") == "f2b cannot tell whether its action own bans"


def test_an_action_that_runs_nothing_only_reports() -> None:
    assert (
        reason("own", "[Definition]\nactionban =\n")
        == "its action own only reports, so fail2ban bans nobody by it"
    )


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("iptables-multiport[port=22]", BANS),
        ("nftables\n  sendmail-whois[dest=a]", BANS),
        ("sendmail[dest='a, b'] mail", "its action sendmail, mail only reports, so fail2ban bans nobody by it"),
        ("nftables[blocktype=accept]", "its action nftables lifts bans or lets through"),
        ("iptables[blocktype=LOG]", "its action iptables only reports, so fail2ban bans nobody by it"),
        ("cloudflare-token[cfmode=whitelist]", "its action cloudflare-token lifts bans or lets through"),
        ("iptables[actionban='fail2ban-client unban <ip>']", "its action iptables lifts bans or lets through"),
        ("iptables unban-all[actionban='ipset del x <ip>']", "its action unban-all lifts bans or lets through"),
        ("firewall-of-ours", "f2b cannot tell whether its action firewall-of-ours bans"),
        ("", "it has no action, so fail2ban bans nobody by it"),
    ],
)
def test_without_its_file_an_action_is_known_by_fail2bans_names_and_what_the_jail_gives_it(
    action: str, told: str | None
) -> None:
    assert reason(action) == told


def test_a_local_file_that_changes_the_command_makes_another_action_of_it() -> None:
    shipped = "[Definition]\nactionban = iptables -I f2b 1 -s <ip> -j DROP\n"
    assert reason("iptables", shipped) is BANS
    changed = reason("iptables", shipped, "[Definition]\nactionban = /bin/tell <ip>\n")
    assert changed == "f2b cannot tell whether its action iptables bans"


def test_a_local_file_that_lets_through_is_seen() -> None:
    shipped = "[Definition]\nactionban = iptables -I f2b 1 -s <ip> -j <blocktype>\n[Init]\nblocktype = REJECT\n"
    told = reason("iptables", shipped, "[Init]\nblocktype = ACCEPT\n")
    assert told == "its action iptables lifts bans or lets through"


def test_parameters_that_name_each_other_end() -> None:
    assert reason("own", "[Definition]\nactionban = <a>\n[Init]\na = <b>\nb = <a>\n") is not BANS
