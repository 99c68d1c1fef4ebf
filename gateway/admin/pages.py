"""Registration of the gateway's own admin pages, in the order of the menu."""

from atoll.admin import register_page
from gateway.admin import explaining, files, live, restoring, review

LOOK = "gateway.view_route"

for address, view, name, permission, title in (
    ("review/", review.review_page, "review", "gateway.view_publication", "Unpublished changes"),
    ("review/discard/", review.discard_page, "discard", review.MAY_PUBLISH, ""),
    ("explain/", explaining.explain_page, "explain", LOOK, "Explain this request"),
    ("live/", live.live_page, "live", LOOK, "Live figures"),
    ("live/figures/", live.figures_part, "live_figures", LOOK, ""),
    ("files/", files.files_page, "files", LOOK, "Import and export"),
    ("files/export/", files.export_file, "export", LOOK, ""),
    ("restore/", restoring.restore_page, "restore", review.MAY_PUBLISH, ""),
):
    register_page("gateway", address, view, name=f"gateway_{name}", permission=permission, title=title)
