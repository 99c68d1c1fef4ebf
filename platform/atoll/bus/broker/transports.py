"""The transports, and the choice of one by the scheme of RABBITMQ_URL.

Importing this module loads no client of a broker: web processes ask it, too.
"""

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from atoll import conf
from atoll.conf import options

if TYPE_CHECKING:
    from atoll.bus.broker.publisher import Publisher
    from atoll.bus.broker.transport import Transport

TRANSPORTS: dict[tuple[str, ...], str] = {
    ("amqp", "amqps"): "atoll.bus.broker.amqp.Amqp",
    ("redis", "rediss", "redis+socket", "valkey", "valkeys"): "atoll.bus.broker.redis.Redis",
}


def kind_of(url: str) -> "type[Transport]":
    """The class for a broker's URL.

    Raises ImproperlyConfigured, without the URL's password, for an unknown scheme.
    """
    # Without a scheme, the first part may hold the password.
    scheme = url.partition("://")[0] if "://" in url else ""
    for schemes, path in TRANSPORTS.items():
        if scheme in schemes:
            kind: type[Transport] = import_string(path)
            return kind
    known = ", ".join(scheme for schemes in TRANSPORTS for scheme in schemes)
    raise ImproperlyConfigured(
        f"The broker's URL has the scheme {scheme!r}; the bus has transports for {known}. kombu's other "
        "transports lose the messages that a killed process held."
    )


def current() -> "Transport":
    """The running project's transport, with the account that its RABBITMQ_URL has at the broker."""
    url = conf.broker_url(conf.project_name())
    return kind_of(url)(
        url,
        service=conf.service_name(),
        prefix=options.BUS_PREFIX.value(),
        queue_type=options.BUS_QUEUE_TYPE.value(conf.project_name()),
    )


def transient_errors() -> tuple[type[BaseException], ...]:
    """``Transport.transient_errors`` of the running project."""
    return current().transient_errors


def open_publisher() -> "Publisher":
    """``Transport.open_publisher`` of the running project."""
    return current().open_publisher()


def open_prepared_publisher() -> "Publisher":
    """As ``open_publisher``; queues and bindings are made before it has published anything."""
    opened = open_publisher()
    try:
        opened.prepare()
    except BaseException:
        opened.close()
        raise
    return opened
