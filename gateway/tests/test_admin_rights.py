"""The roles that may open each page of the gateway's admin."""

import pytest

from atoll.testing.rights import ANY_STAFF, API_PAGES, model_pages, walk

# Some three hundred pages: on a busy machine they take their time.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

PAGES = {
    **ANY_STAFF,
    **API_PAGES,
    **model_pages(
        "gateway_route", view="operator support", add="operator", change="operator", delete="operator"
    ),
    **model_pages("gateway_corssettings", view="operator support", add="operator", change="operator"),
    **model_pages("gateway_publication", view="operator support"),
    **model_pages("gateway_requestlog", view="operator support"),
    "gateway.route: delete_selected": "operator",
    "gateway.route: disable": "operator",
    "gateway.route: enable": "operator",
}


def test_every_page_form_and_action_is_for_its_roles():
    assert walk() == PAGES
