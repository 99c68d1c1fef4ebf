"""The answer to a dialog."""

from django.test import RequestFactory

from atoll.admin import dialogs


def test_htmx_is_told_in_its_own_field_where_to_go():
    request = RequestFactory().post("/admin/x/", headers={"HX-Request": "true"})
    answer = dialogs.redirect(request, "/admin/y/")

    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/admin/y/")


def test_a_browser_without_htmx_is_redirected():
    answer = dialogs.redirect(RequestFactory().post("/admin/x/"), "/admin/y/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/y/")
