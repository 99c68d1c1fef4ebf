"""Check engines, ports, versions, settings, packages, disk and open files, and say what to do."""

import argparse
import json
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from atoll.dev import doctor
from atoll.dev.doctor import Verdict
from atoll.dev.terminal import escaped, lenient_output

STYLES = {Verdict.GOOD: "green", Verdict.WARNING: "yellow", Verdict.BAD: "bold red"}


def main(argv: list[str]) -> int:
    """Returns 1 when a finding is bad. Warnings do not count."""
    parser = argparse.ArgumentParser(prog="manage.py doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for scripts")
    options = parser.parse_args(argv)
    lenient_output()
    console = Console(highlight=False, soft_wrap=True)
    bad = 0
    for finding in doctor.examine():
        bad += finding.verdict == Verdict.BAD
        if options.json:
            print(json.dumps(asdict(finding), ensure_ascii=False), flush=True)
            continue
        console.print(
            Text.assemble(
                (f"{finding.verdict:<8}", STYLES[finding.verdict]),
                (f"{escaped(finding.subject):<22}", "bold"),
                escaped(finding.text),
            )
        )
        if finding.remedy:
            console.print(Text(f"{'':<8}{'':<22}{escaped(finding.remedy)}"))
    return 1 if bad else 0
