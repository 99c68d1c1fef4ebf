"""The handler of the timers of every process of this service."""

from atoll.bus import Dead, Message, handles
from atoll.process import registered
from atoll.process.events import FireProcessTimer


@handles("fire.process.timer", name="atoll.process.timer")
def fire_process_timer(command: FireProcessTimer, message: Message) -> None:
    manager = registered.by_name(command.process)
    if manager is None:
        raise Dead(
            f"This service has no process {command.process!r}. Is its ProcessManager in the module `process` "
            "of an installed app?"
        )
    manager.fire(command.key, command.timer, command.number, message)
