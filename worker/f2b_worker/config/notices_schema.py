"""The tables and keys of `[notices]`, and what each of them may hold."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from f2b_worker.config import notices
from f2b_worker.config.notice_secrets import apprise_scheme, webhook_key, webhook_url
from f2b_worker.config.notices import (
    GROUP_MAX,
    GROUP_WAIT_MS,
    SUBJECT_MAX,
    TEXT_MAX,
    Notices,
    Secret,
    TargetSettings,
)
from f2b_worker.domain.durations import parse_duration_ms
from f2b_worker.domain.jails import JAIL_NAME

GROUP_WAIT_MAX_MS = 24 * 60 * 60 * 1000
GROUP_MAX_MAX = 5_000
COMMAND_TIMEOUT_MS = 30_000
COMMAND_TIMEOUT_MAX_MS = 10 * 60 * 1000
TARGETS_MAX = 20
_OURS = "F2B_"

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z]+(-[a-z]+)+-\d:\d{12}:[A-Za-z0-9_-]{1,256}")
_BUS = re.compile(r"(arn:aws[a-z-]*:events:[a-z]+(-[a-z]+)+-\d:\d{12}:event-bus/)?[/.A-Za-z0-9_-]{1,256}")


def _topic(value: str) -> str:
    if value.endswith(".fifo"):
        raise ValueError("is a FIFO topic, to which no e-mail and no chat listens: use a standard topic")
    if not _TOPIC.fullmatch(value):
        raise ValueError("is no ARN of a topic: write it as arn:aws:sns:eu-west-1:123456789012:NAME")
    return value


def _bus(value: str) -> str:
    if not _BUS.fullmatch(value):
        raise ValueError("is neither the name of an event bus nor its ARN")
    return value


def _url(value: str) -> str:
    webhook_url(value)
    return value


def _key(value: str) -> str:
    webhook_key(value)
    return value


def _urls(value: str) -> str:
    for each in value.split():
        apprise_scheme(each)
    return value


def _variable(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("is no name of a variable")
    if value.upper().startswith(_OURS):
        raise ValueError(f"begins with {_OURS}, and each such variable is a setting of f2b: give it another name")
    return value


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _template(most: int) -> Any:
    def check(value: str) -> str:
        from f2b_worker.config.notice_templates import check_template  # noqa: PLC0415 - without one Jinja2 is not read

        return check_template(value, most)

    return AfterValidator(check)


def _span(most_ms: int, most: str) -> Any:
    def check(value: object) -> int:
        span_ms = parse_duration_ms(value)
        if not 1000 <= span_ms <= most_ms:
            raise ValueError(f"must be from 1s to {most}")
        return span_ms

    return BeforeValidator(check)


GroupWait = Annotated[int, _span(GROUP_WAIT_MAX_MS, "24h")]
GroupMax = Annotated[int, Field(strict=True, ge=1, le=GROUP_MAX_MAX)]
Variable = Annotated[str, AfterValidator(_variable)]
Kind = Literal["ban", "unban", "surge", "overflow", "lag", "enforcer_lost", "dead_letters"]
_USUAL: tuple[Kind, ...] = ("ban", "surge", "overflow", "lag", "enforcer_lost", "dead_letters")
Name = Annotated[str, Field(pattern=f"^{JAIL_NAME.pattern}$")]
_STRICT = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TargetTable(BaseModel):
    """What every target may say."""

    model_config = _STRICT

    on: Annotated[tuple[Kind, ...], BeforeValidator(_listed), Field(min_length=1)] = _USUAL
    jails: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    severity: Literal["info", "warning", "critical"] = "info"
    group_wait: GroupWait | None = None
    group_max: GroupMax | None = None
    subject: Annotated[str, _template(SUBJECT_MAX)] | None = None
    text: Annotated[str, _template(TEXT_MAX)] | None = None

    def address(self) -> notices.Address:
        """Say where it is."""
        raise NotImplementedError


class SnsTable(TargetTable):
    """A topic of SNS."""

    to: Literal["sns"]
    topic: Annotated[str, AfterValidator(_topic)]

    def address(self) -> notices.Address:
        """Say where it is."""
        return notices.SnsAddress(self.topic)


class EventBridgeTable(TargetTable):
    """A bus of EventBridge."""

    to: Literal["eventbridge"]
    bus: Annotated[str, AfterValidator(_bus)] = "default"

    def address(self) -> notices.Address:
        """Say where it is."""
        return notices.EventBridgeAddress(self.bus)


class WebhookTable(TargetTable):
    """A URL that takes a POST."""

    to: Literal["webhook"]
    url: Annotated[str, AfterValidator(_url)] | None = None
    url_env: Variable | None = None
    secret: Annotated[str, AfterValidator(_key)] | None = None
    secret_env: Variable | None = None
    allow_private: bool = False

    @model_validator(mode="after")
    def _once(self) -> WebhookTable:
        _one_of("url", self.url, self.url_env)
        if self.secret and self.secret_env:
            raise ValueError("secret and secret_env both name the secret: leave one out")
        return self

    def address(self) -> notices.Address:
        """Say where it is."""
        secret = _secret(self.secret, self.secret_env) if self.secret or self.secret_env else None
        return notices.WebhookAddress(_secret(self.url, self.url_env), secret, self.allow_private)


class CommandTable(TargetTable):
    """A program."""

    to: Literal["command"]
    command: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
    timeout: Annotated[int, _span(COMMAND_TIMEOUT_MAX_MS, "10m")] = COMMAND_TIMEOUT_MS
    environment: Annotated[tuple[Variable, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="after")
    def _runnable(self) -> CommandTable:
        if not self.command[0] or any("\0" in each for each in self.command):
            raise ValueError('command: write the program first, as in command = ["/usr/local/bin/page", "ops"]')
        return self

    def address(self) -> notices.Address:
        """Say where it is."""
        return notices.CommandAddress(self.command, self.timeout, self.environment)


class AppriseTable(TargetTable):
    """URLs of Apprise."""

    to: Literal["apprise"]
    urls: Annotated[tuple[Annotated[str, AfterValidator(_urls)], ...], BeforeValidator(_listed)] = ()
    urls_env: Variable | None = None

    @model_validator(mode="after")
    def _once(self) -> AppriseTable:
        _one_of("urls", " ".join(self.urls) or None, self.urls_env)
        return self

    def address(self) -> notices.Address:
        """Say where it is."""
        named = (Secret(variable=self.urls_env),) if self.urls_env else ()
        return notices.AppriseAddress((*map(Secret, self.urls), *named))


AnyTarget = Annotated[
    SnsTable | EventBridgeTable | WebhookTable | CommandTable | AppriseTable, Field(discriminator="to")
]
BY_KIND: dict[str, type[TargetTable]] = {
    "sns": SnsTable,
    "eventbridge": EventBridgeTable,
    "webhook": WebhookTable,
    "command": CommandTable,
    "apprise": AppriseTable,
}


class NoticesTable(BaseModel):
    """The keys of `[notices]`, and the tables in it: each is a target."""

    model_config = _STRICT

    fleet: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    group_wait: GroupWait = GROUP_WAIT_MS
    group_max: GroupMax = GROUP_MAX
    targets: Annotated[dict[Name, AnyTarget], Field(max_length=TARGETS_MAX)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        """Part the targets, which are tables, from the keys."""
        if not isinstance(value, dict):
            return value
        targets = {name: each for name, each in value.items() if isinstance(each, dict) and name not in _KEYS}
        return {name: each for name, each in value.items() if name not in targets} | {"targets": targets}


_KEYS = frozenset(NoticesTable.model_fields) - {"targets"}


def as_notices(table: NoticesTable) -> Notices:
    """Make of it what the rest of f2b uses."""
    targets = tuple(_target(name, each, table) for name, each in table.targets.items())
    return Notices(table.fleet, targets)


def _target(name: str, table: Any, whole: NoticesTable) -> TargetSettings:
    return TargetSettings(
        name=name,
        to=table.to,
        address=table.address(),
        on=table.on,
        jails=table.jails,
        severity=table.severity,
        group_wait_ms=table.group_wait or whole.group_wait,
        group_max=table.group_max or whole.group_max,
        subject=table.subject,
        text=table.text,
    )


def _one_of(name: str, value: str | None, variable: str | None) -> None:
    if value and variable:
        raise ValueError(f"{name} and {name}_env both say it: leave one out")
    if not (value or variable):
        raise ValueError(f"{name}: is missing: give {name}, or the name of a variable that holds it as {name}_env")


def _secret(value: str | None, variable: str | None) -> Secret:
    return Secret(variable=variable) if variable else Secret(value or "")
