"""Addresses under ``/console/``."""

from django.urls import path

from registry.console import search, session
from registry.console.board import views as board
from registry.console.charts import views as charts
from registry.console.log_levels import views as log_levels
from registry.console.logs import views as logs
from registry.console.mail import views as mail
from registry.console.processes import views as processes
from registry.console.topology import views as topology
from registry.console.traces import views as traces

app_name = "console"

urlpatterns = [
    path("", board.board, name="board"),
    path("topology", topology.topology, name="topology"),
    path("charts", charts.charts, name="charts"),
    path("logs", logs.logs, name="logs"),
    path("log-levels", log_levels.log_levels, name="log-levels"),
    path("processes", processes.all_or_one, name="processes"),
    path("mail", mail.mail, name="mail"),
    path("search", search.search, name="search"),
    path("journeys", traces.recent, name="journeys"),
    path("journeys/<str:identifier>", traces.one, name="journey"),
    path("sign-in", session.sign_in, name="sign-in"),
    path("sign-out", session.sign_out, name="sign-out"),
]
