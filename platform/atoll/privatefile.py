"""Small files with secrets, readable for their owner only."""

import json
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def write(path: Path, text: str) -> None:
    """Write the whole file, or keep the former one where the disk is full."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The content of the file; ``{}`` without the file. Raises ImproperlyConfigured when it is damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise ImproperlyConfigured(
            f"{path} is damaged. Bring it back from a copy; or `make reset` makes all data anew."
        ) from None
