"""The page of the board, which is the first page of the console."""

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from atoll import conf
from registry.console.admins import admin_page
from registry.console.board.failing import blocks
from registry.console.board.load import Load, load_of_all, take_reports
from registry.console.board.rows import service_rows
from registry.console.logs import beside
from registry.console.navigation import register_entry
from registry.console.pages import page, show
from registry.console.processes.views import address as process_address
from registry.console.stream import PATH, register_fragment
from registry.failing import store as failing
from registry.usecases.steer_process import processes

register_entry("Board", "console:board", place=10, also=("console:processes",))


@page
def board(request: HttpRequest) -> HttpResponse:
    context = {"figures": figures(), "stream": f"{PATH}board", "has_processes": bool(processes())}
    return show(request, "registry/console/board.html", "Board", context)


def figures() -> str:
    """The part of the page that refreshes."""
    services, instances = load_of_all()
    told = failing.told()
    take_reports(services, told)
    causes, has_more = blocks()
    projects = {project.service: name for name, project in conf.projects().items()}
    here = processes()
    rows = []
    for service in service_rows():
        project = projects.get(service.name, "")
        rows.append(
            {
                "service": service,
                "load": services.get(service.name, Load()),
                "admin": admin_page(project, "") if project else "",
                "dead_letters": admin_page(project, "atoll_bus/dead-letters/") if project else "",
                "logs": beside.address(service=service.name),
                "instances": [
                    (
                        one,
                        instances.get((service.name, one.id), Load()),
                        beside.address(service=service.name, instance=one.id),
                        process_address(one.id, here),
                    )
                    for one in service.instances
                ],
            }
        )
    context = {
        "rows": rows,
        "blocks": causes,
        "has_more_causes": has_more,
        "is_failing": any(one.cause.failing for one in causes),
        "silent": sorted(
            {one.cause.service for one in causes} & {name for name in told if told[name].is_late}
        ),
        "at": timezone.now(),
        "instance_page": admin_page("registry", "registry/instance/"),
    }
    return render_to_string("registry/console/board_figures.html", context)


register_fragment("board", figures)
