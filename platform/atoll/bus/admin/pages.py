"""Registration of the bus's own admin pages, in the order of the menu."""

from atoll.admin import register_page
from atoll.bus.admin import dead_letters, decision_log, handlers, message_trace, overview

LOOK, DECIDE = "atoll_bus.view_delivery", "atoll_bus.decide_delivery"

for address, view, name, permission, title in (
    ("overview/", overview.overview_page, "overview", LOOK, "Live overview"),
    ("overview/figures/", overview.counts_part, "overview_figures", LOOK, ""),
    ("where/", message_trace.trace_page, "where", LOOK, "Where is my message?"),
    ("dead-letters/", dead_letters.groups_page, "dead_letters", LOOK, "Dead letters"),
    ("dead-letters/group/", dead_letters.group_page, "dead_group", LOOK, ""),
    ("dead-letters/replay/", dead_letters.replay_page, "dead_replay", DECIDE, ""),
    ("dead-letters/discard/", dead_letters.discard_page, "dead_discard", DECIDE, ""),
    ("handlers/", handlers.handlers_page, "handlers", LOOK, "Handlers"),
    ("handlers/retire/", handlers.retire_page, "retire", DECIDE, ""),
    ("decisions/", decision_log.decisions_page, "decisions", LOOK, "Decisions"),
):
    register_page("atoll_bus", address, view, name=f"atoll_bus_{name}", permission=permission, title=title)
