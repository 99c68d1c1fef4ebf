"""Small files with secrets in them, which only their owner reads."""

import json
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def write(path: Path, text: str) -> None:
    """Write all of it or, where the disk is full, nothing: what was there before stays."""
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
    """``{}`` where there is no such file. Raises ImproperlyConfigured when it is damaged."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise ImproperlyConfigured(
            f"{path} is damaged. Bring it back from a copy; or `make reset` makes all data anew."
        ) from None
