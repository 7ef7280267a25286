"""What runs the pages fails where a page is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs import aws_cli, stacks
from tests.docs.blocks import blocks_in, loose_commands
from tests.docs.shell import Shell, matches, only_looks, steps

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# Title

<!-- not run: it takes a day -->

```sh
sleep 86400
```

```sh
echo one
```

```text
one
```

Prose.

```text
no output
```

- In a list:

  ```sh
  echo two
  ```

<!-- exit code 3: it says no -->

```sh
exit 3
```
"""


TEMPLATE = """\
Description: of a stack
Parameters:
  Name:
    Default: f2b
  Action:
    Default: block
    AllowedValues: [block, count]
Resources:
  Queue:
    Type: AWS::SQS::Queue
"""


@pytest.fixture
def shell(tmp_path: Path, forks: Path) -> Shell:
    return Shell(tmp_path, {}, {"of-the-page": "of-the-reader"}, forks)


def do(shell: Shell, page: str) -> None:
    for block in blocks_in(page):
        if block.is_shell and not block.reason:
            shell.do(block)


def test_blocks_are_found_with_their_reason_their_output_and_their_exit_code() -> None:
    found = blocks_in(PAGE)

    assert [(each.text, each.reason, each.shown, each.exit_code) for each in found] == [
        ("sleep 86400", "it takes a day", None, 0),
        ("echo one", "", "one", 0),
        ("no output", "", None, 0),
        ("echo two", "", None, 0),
        ("exit 3", "", None, 3),
    ]
    assert [each.is_shell for each in found] == [True, True, False, True, True]


def test_a_page_that_is_right_is_done(shell: Shell) -> None:
    do(shell, PAGE)


@pytest.mark.parametrize(
    "wrong",
    [
        "```sh\nfalse\necho one\n```\n",
        "```sh\nf2b invented\n```\n",
        "```sh\necho one\n```\n\n```text\ntwo\n```\n",
        "```text\n$ echo one\ntwo\n```\n",
        "```text\n$ echo one\none\n(exit code 1)\n```\n",
        "<!-- exit code 3: why -->\n\n```sh\ntrue\n```\n",
    ],
)
def test_a_page_that_is_wrong_fails(wrong: str, shell: Shell) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:\d"):
        do(shell, wrong)


def test_a_block_goes_on_where_the_one_before_left_off_with_what_the_reader_fills_in(shell: Shell) -> None:
    do(
        shell,
        "```sh\nexport NAME=of-the-page; mkdir below; cd below\n```\n\n"
        '```sh\necho "$NAME ${PWD##*/}"\n```\n\n```text\nof-the-reader below\n```\n',
    )


@pytest.mark.parametrize(
    ("command", "code", "printed"),
    [
        ("f2b --version", 0, "f2b, version"),
        ("f2b check --config nothing.toml", 2, "nothing.toml"),
        ("echo 203.0.113.7 | f2b replay --config", 2, "--config"),
        ("aws sqs invent", 252, "no operation invent"),
    ],
)
def test_a_command_that_a_fork_runs_ends_and_prints_as_the_installed_one(
    command: str, code: int, printed: str, shell: Shell
) -> None:
    ended, shown = shell.run(command)

    assert (ended, printed in shown) == (code, True), shown


def test_a_session_is_taken_apart_into_its_steps() -> None:
    assert list(steps("$ a\nx\n$ b\n(exit code 1)\n")) == [("a", "x\n", 0), ("b", "", 1)]


@pytest.mark.parametrize(
    ("shown", "printed", "is_shown"),
    [
        ("a\nb", "a\nb\n", True),
        ("a  b", "a b", True),
        ("a … c", "a b c", True),
        ("a", "ab", False),
        ("until 2026-11-29 17:35:28Z (59m16s left)", "until 2026-12-01 08:00:00Z (5s left)", True),
        ("8 bans", "9 bans", False),
        ("73135f6f-f1d4-4554-89db-3fb283078211", "96583365-2078-4e92-851d-04cbe297732a", True),
        ("vm/7379/2ef4085b", "host-2/1/1234567d", True),
        ("seen 1m4s ago", "seen 0ms ago", True),
    ],
)
def test_what_is_shown_is_held_against_what_is_printed(shown: str, printed: str, is_shown: bool) -> None:
    assert matches(shown, printed) is is_shown


def test_only_what_changes_nothing_is_done_again() -> None:
    assert only_looks("f2b list --table f2b\nf2b explain 203.0.113.7")
    assert not only_looks("f2b list\nf2b ban 203.0.113.7")


def test_a_command_that_is_indented_instead_of_fenced_is_found() -> None:
    text = "Say:\n\n    f2b list\n\n```text\n\n    f2b explain\n```\n"

    assert loose_commands(text) == ["    f2b list"]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("aws sqs invent", "no operation invent"),
        ("aws invented list", "no service invented"),
        ("aws sqs get-queue-url --queue f2b", "has no --queue"),
        ("aws sqs get-queue-url", "Missing required parameter"),
        ("aws wafv2 update-web-acl --rules '[{}]'", "Missing required parameter"),
        ("aws cloudwatch get-metric-data --metric-data-queries nonsense", "is no Key=value"),
    ],
)
def test_a_call_that_aws_does_not_have_is_refused(call: str, error: str) -> None:
    assert error in aws_cli.errors_in(call)[0]


def test_a_call_that_aws_has_is_not() -> None:
    assert aws_cli.errors_in("aws sqs get-queue-url --queue-name f2b --query QueueUrl --output text") == []
    assert aws_cli.errors_in("aws sqs create-queue --queue-name f2b --attributes DelaySeconds=0,Policy={}") == []
    variables = "--environment Variables={F2B_TABLE=f2b,F2B_CONFIG=f2b.toml}"
    assert aws_cli.errors_in(f"aws lambda update-function-configuration --function-name f2b {variables}") == []
    assert aws_cli.errors_in("aws elbv2 describe-load-balancers --names shop | jq .") == []
    assert aws_cli.errors_in('aws ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc"') == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("Image=f2b", "needs VpcId"),
        ("Name=Shop", "lower-case"),
        ("ProtectedResourceArn=web", "An ARN, or nothing"),
    ],
)
def test_a_stack_that_a_rule_or_a_pattern_of_the_template_forbids_is_not_made(
    given: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_DEFAULT_REGION": "us-east-1", "DOCS_STATE": str(tmp_path)}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(stacks.StackError, match=told):
        stacks.deploy(["--stack-name", "f2b", "--parameter-overrides", given])


def test_a_stack_is_made_of_the_parameters_that_its_template_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "f2b.yaml"
    template.write_text(TEMPLATE)
    monkeypatch.setattr(stacks, "TEMPLATE", template)
    deploy = "aws cloudformation deploy --stack-name f2b --parameter-overrides"

    assert aws_cli.errors_in(f"{deploy} Name=shop Action=count") == []
    assert aws_cli.errors_in(f"{deploy} Invented=1") == ["the template has no parameter Invented"]
    assert aws_cli.errors_in(f"{deploy} Action=shout") == ["Action is one of block, count, not shout"]
    assert aws_cli.errors_in(f"{deploy} Name=shop --invented") == ["aws cloudformation deploy has no --invented"]


def test_a_stack_keeps_the_parameters_that_it_is_not_given_again() -> None:
    first = stacks._parameters(["--parameter-overrides", "Name=shop", "Action=count"])

    assert stacks._parameters(["--parameter-overrides", "Action=block"], first) == first | {"Action": "block"}
    assert (first["Name"], first["Action"], first["MinWorkers"]) == ("shop", "count", "2")


def test_calls_are_found_in_a_block_also_inside_other_commands() -> None:
    block = 'URL="$(aws sqs get-queue-url \\\n  --queue-name f2b)"\naws sqs list-queues\n'

    assert aws_cli.calls_in(block) == ["aws sqs get-queue-url --queue-name f2b", "aws sqs list-queues"]
