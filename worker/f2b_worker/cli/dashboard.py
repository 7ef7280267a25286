"""`f2b dashboard`: what the other commands show and do, in a browser, with the credentials of whoever runs it."""

from __future__ import annotations

import os
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from f2b_worker.acting.acts import actor
from f2b_worker.cli.operator_options import ledger_options, settings_of
from f2b_worker.cli.options import INSTALL_DASHBOARD
from f2b_worker.cli.output import json_option, remark, show_document
from f2b_worker.config.jails_file import read_jails
from f2b_worker.config.values import name_and_token, named_tokens
from f2b_worker.errors import StartError
from f2b_worker.http.listening import listen_on_port
from f2b_worker.observe import log
from f2b_worker.process.dashboard import Serving
from f2b_worker.process.opening import open_ban_book
from f2b_worker.signals import RELOAD, UNHEEDED, outlive

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    Tokens = tuple[tuple[str, str], ...]

TOKEN_VARIABLE = "F2B_DASHBOARD_TOKEN"  # noqa: S105 - the name of one


@click.command(epilog="Example: f2b dashboard --table f2b --queue f2b --ip-set f2b")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The port to listen on."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. By default only this machine reaches it.",
)
@click.option("--acts", is_flag=True, help="Let this browser act: makes a token, good until this command ends.")
@ledger_options("queue", "ip_set", "scope", "audit_days")
@json_option
def dashboard(*, port: int, host: str, acts: bool, as_json: bool, **given: Any) -> None:
    """Show in a browser what the other commands show.

    It runs until Ctrl-C, and says where. Whoever may call AWS here may look: no server is deployed, and there is
    no password. It is read-only. With --acts it prints a token once: who logs in with it bans, lifts, allows and
    more, as the commands do, and the audit has you. The variable F2B_DASHBOARD_TOKEN gives tokens of others,
    NAME:TOKEN with a space between two, and the audit has the name.
    It needs the extra dashboard; the extra geo adds countries and a map.
    Exit codes: 0 stopped on request, 2 wrong usage, 3 it cannot be served.
    """
    _outlive_signals()
    serve, url_of = _server()
    settings = settings_of(given, role="dashboard")
    tokens, made, by = _given_tokens(os.environ.get(TOKEN_VARIABLE, "")), "", ""
    read_jails(settings.config)
    open_ban_book(settings)  # what is missing is said now, and not on a page
    if acts and not tokens:
        made, by = secrets.token_urlsafe(24), actor(settings, remark)
        tokens = (("operator", made),)
    listener = listen_on_port(host, port)
    log.configure("warning")
    _tell(url_of(host, listener), made, can_act=bool(tokens), as_json=as_json)
    serve(Serving(settings, host, tokens, by), listener)


def _server() -> tuple[Callable[[Serving, socket], None], Callable[[str, socket], str]]:
    try:
        from f2b_worker.dashboard.content import open_app  # noqa: PLC0415 - the extra may be missing
        from f2b_worker.dashboard.serve import Server, url_of  # noqa: PLC0415
    except ImportError as error:
        raise StartError(f"the dashboard needs more packages: {INSTALL_DASHBOARD}") from error

    def serve(how: Serving, listener: socket) -> None:
        Server(partial(open_app, how)).run(listener)
        log.finish()
        os._exit(0)  # threads that wait for AWS are not waited for

    return serve, url_of


def _outlive_signals() -> None:
    """Go on when a signal comes that asks nothing of a dashboard; one that somebody looks after has a terminal."""
    has_terminal = any(map(os.isatty, (0, 2)))  # standard input and standard error
    outlive(*UNHEEDED, *(() if has_terminal else (RELOAD,)))


def _tell(url: str, token: str, *, can_act: bool, as_json: bool) -> None:
    if as_json:
        show_document({"url": url, "can_act": can_act, "token": token or None})
        return
    remark(f"{url} ({'who has a token may act' if can_act else 'read-only: --acts lets you act'}; Ctrl-C ends it)")
    if token:
        remark(f"log in with this token: {token}")


def _given_tokens(text: str) -> Tokens:
    try:
        read = named_tokens(text)
    except ValueError as error:
        raise StartError(f"{TOKEN_VARIABLE}: {error}") from error
    return tuple(map(name_and_token, read if isinstance(read, tuple) else ()))
