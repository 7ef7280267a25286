"""Says what pip-audit found: ``python deploy/audited.py REPORT.json EXIT_CODE [TAG]``.

Where the database of vulnerabilities cannot be reached, pip-audit skips each package, and says so at length. A
rehearsal goes on then; a release, which has a tag, does not: nobody would look at what was not looked up.
"""

import json
import sys
from pathlib import Path


def said_of(report: str, code: int, tag: str = "") -> tuple[list[str], bool]:
    """Read a report of pip-audit.

    Args:
        report: Its JSON; empty if it wrote none.
        code: Its exit code.
        tag: Of the release; empty for a rehearsal.

    Returns:
        Lines for people, and whether a release may go on: nothing known is wrong with what was looked up.
    """
    packages = json.loads(report)["dependencies"] if report else []
    looked_up = [each for each in packages if "skip_reason" not in each]
    bad = [
        f"release: {each['name']} {each['version']} is vulnerable: {', '.join(one['id'] for one in each['vulns'])}"
        for each in looked_up
        if each["vulns"]
    ]
    if not looked_up:
        return ["release: no database of vulnerabilities can be reached from here: nothing was looked up"], not tag
    if len(looked_up) < len(packages):
        bad.append(f"release: only {len(looked_up)} of {len(packages)} packages could be looked up")
    return bad, code == 0


def main() -> int:
    """Print what was found, and return 1 if it forbids a release."""
    report = Path(sys.argv[1])
    text = report.read_text("utf-8") if report.exists() else ""
    lines, is_well = said_of(text, int(sys.argv[2]), *sys.argv[3:])
    print(*lines, sep="\n", end="\n" if lines else "", file=sys.stderr)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
