"""How manage.py is called on this machine, for texts that people copy into a terminal."""

import shutil


def manage(verb: str) -> str:
    """``python manage.py VERB``; with ``python3`` where no ``python`` is on the path (Debian, macOS)."""
    return f"{'python' if shutil.which('python') else 'python3'} manage.py {verb}"
