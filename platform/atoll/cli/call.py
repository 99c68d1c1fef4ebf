"""Call a service through discovery with a service token: call SERVICE METHOD PATH [JSON]."""

import argparse
import json
import os
import sys

from atoll import conf
from atoll.dev import command, platform_lock
from atoll.dev.terminal import escaped, escaped_json, lenient_output

# The call needs a service's credential; the gateway has one, and may call every service.
CALLER = "gateway"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SHOWN_HEADERS = ("content-type", "location", "link", "x-total-count", "x-correlation-id", "x-response-time")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py call", description=__doc__)
    parser.add_argument("service", help="order-service, or its project's name: orders")
    parser.add_argument("method", help="GET, POST, PATCH, PUT or DELETE")
    parser.add_argument("path", help="/orders?page=1")
    parser.add_argument("json", nargs="?", help='the body: \'{"reason": "test"}\'')
    parser.add_argument(
        "--as", dest="caller", default=CALLER, choices=list(conf.projects()), help="whose credential"
    )
    parser.add_argument("--json", dest="body_only", action="store_true", help="print only the body")
    options = parser.parse_args(argv)
    lenient_output()
    try:
        body = json.loads(options.json) if options.json else None
    except (ValueError, RecursionError) as error:
        print(f"The body is not JSON: {error}", file=sys.stderr)
        return 2
    if options.method.upper() not in METHODS:
        print(f"{escaped(options.method)} is none of {', '.join(METHODS)}.", file=sys.stderr)
        return 2
    if problem := _nobody_to_call():
        print(problem, file=sys.stderr)
        return 1
    projects = conf.projects()
    service = projects[options.service].service if options.service in projects else options.service
    os.environ.setdefault("ATOLL_ENV", "development")
    os.environ.setdefault("LOG_LEVEL", "CRITICAL")  # standard output gets the answer alone
    os.environ["DJANGO_SETTINGS_MODULE"] = conf.project(options.caller).settings_module
    import django

    django.setup()
    from atoll.client import ServiceClient
    from atoll.errors import AtollError

    client = ServiceClient(service)
    method = options.method.lower()
    try:
        send = getattr(client, method)
        reply = send(options.path) if method in {"get", "delete"} else send(options.path, json=body)
    except AtollError as error:
        print(f"No answer: {escaped(error)}", file=sys.stderr)
        return 1
    if not options.body_only:
        print(reply.status)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        for name in SHOWN_HEADERS:
            if name in headers:
                print(f"{name}: {escaped(headers[name])}")
        print()
    if reply.content:
        print(_readable(reply.content))
    return 0 if reply.ok else 1


def _nobody_to_call() -> str:
    """Why no call can succeed: nothing runs here, and no variable says that the platform is elsewhere."""
    fixed = (conf.service_url(project.service) for project in conf.projects().values())
    elsewhere = conf.variable("REGISTRY_URL") or conf.variable("DISCOVERY") or any(fixed)
    if elsewhere or platform_lock.is_running(conf.home().resolve()):
        return ""
    return (
        f"The platform is down: nothing runs at {conf.home().resolve()}. Start it with "
        f"`{command.manage('up')}`, or set REGISTRY_URL to that of a platform elsewhere."
    )


def _readable(content: bytes) -> str:
    """The body for a terminal: JSON indented, other text by line, control characters escaped."""
    text = content.decode(errors="replace")
    try:
        indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "\n".join(escaped(line) for line in text.rstrip("\n").split("\n"))
    return "\n".join(escaped_json(line) for line in indented.split("\n"))
