"""Writes docs/gateway-differences.md: python -m tests.differential"""

import sys
import tempfile
from pathlib import Path

from tests.differential import comparison, proxies

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gateway-differences.md"


def main() -> int:
    if not all(proxies.program(name) for name in ("nginx", "haproxy")):
        print("It needs nginx and HAProxy: apt-get install nginx-light haproxy", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as home:
        compared = comparison.compare(Path(home))
    try:
        PAGE.write_text(comparison.page(compared))
    except KeyError as case:
        print(f"No reason in tests/differential/reasons.toml fits {case}.", file=sys.stderr)
        return 1
    print(f"{sum(not one.is_equal for one in compared)} differences of {len(compared)}: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
