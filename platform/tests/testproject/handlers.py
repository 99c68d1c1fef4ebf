"""Handlers that the bus's own suite drives, in this process and in real workers."""

import os
import signal
import threading
import time
from contextlib import suppress

from atoll.bus import Message, Retry, handles, on, publish
from testproject.events import NoteCounted, NoteRequested, NoteWritten, WriteNote
from testproject.models import Note


@on("note.requested", timeout_s=4, retry=Retry(immediate=1, delayed_s=(60,)))
def write_requested_note(event: NoteRequested, message: Message) -> None:
    Note.objects.create(text=event.text)
    publish(NoteWritten(event.text))
    if message.attempt == 1:
        time.sleep(event.hold_s)


@on("note.endless", timeout_s=60)
def never_finish(event: NoteRequested, message: Message) -> None:
    Note.objects.create(text=event.text)
    time.sleep(event.hold_s)


@on("note.slow", timeout_s=1, retry=Retry(immediate=0, delayed_s=()))
def take_too_long(event: NoteRequested, message: Message) -> None:
    Note.objects.create(text=event.text)
    time.sleep(event.hold_s)


@on("note.stuck", timeout_s=1, retry=Retry(immediate=1, delayed_s=()))
def heed_nothing_the_first_time(event: NoteRequested, message: Message) -> None:
    Note.objects.create(text=event.text)
    never = threading.Event()
    while message.attempt == 1:
        with suppress(BaseException):
            never.wait()


@on("note.fatal", retry=Retry(immediate=1, delayed_s=()))
def end_the_process(event: NoteRequested, message: Message) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@handles("write.note")
def write_note(command: WriteNote, message: Message) -> None:
    Note.objects.create(text=command.text)


# One ordered handler makes all of a service's ingests but one stand by.
if os.environ.get("TESTPROJECT_ORDERED"):

    @on("note.counted", ordered=True)
    def write_counted_note(event: NoteCounted, message: Message) -> None:
        Note.objects.create(text=f"{event.key} {event.number:03}")


if mistyped := os.environ.get("TESTPROJECT_MISHEARS"):

    @on(mistyped)
    def mishear(event: NoteRequested, message: Message) -> None:
        """Nobody announces what it waits for."""
