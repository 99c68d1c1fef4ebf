"""The title by which ``ps``, ``top`` and ``py-spy`` tell the processes of one machine apart."""

import setproctitle


def show(*words: str) -> None:
    """``show("orders", "worker")`` makes the command line of this process ``atoll orders worker``.

    ``top`` shows ``orders worker``: the kernel keeps 15 bytes of that name. Call it in the main thread.
    """
    setproctitle.setproctitle(of(*words))
    setproctitle.setthreadtitle(_printable(" ".join(words)))


def of(*words: str) -> str:
    return _printable(" ".join(("atoll", *words)))


def _printable(title: str) -> str:
    """Without the lone surrogates that stand for bytes of a command line in another encoding."""
    return title.encode(errors="backslashreplace").decode()
