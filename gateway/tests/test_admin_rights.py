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
    **model_pages(
        "gateway_aggregate", view="operator support", add="operator", change="operator", delete="operator"
    ),
    "gateway.aggregate: delete_selected": "operator",
    **model_pages(
        "gateway_service", view="operator support", add="operator", change="operator", delete="operator"
    ),
    "gateway.service: delete_selected": "operator",
    **model_pages(
        "gateway_limitpolicy", view="operator support", add="operator", change="operator", delete="operator"
    ),
    "gateway.limitpolicy: delete_selected": "operator",
    **model_pages("gateway_corssettings", view="operator support", add="operator", change="operator"),
    **model_pages("gateway_issuer", view="operator support", add="", change="", delete=""),
    "gateway_issuer_check_now": "operator",
    "gateway.issuer: delete_selected": "",
    **model_pages("gateway_consumer", view="operator support", add="", change=""),
    **dict.fromkeys(("gateway_consumer_new_key", "gateway_consumer_rotate"), ""),
    **model_pages("gateway_apikey", view="operator support"),
    **dict.fromkeys(("gateway_apikey_revoke_this", "gateway.apikey: revoke_selected"), "operator"),
    **model_pages("gateway_publication", view="operator support"),
    "gateway_review": "operator support",
    "gateway_discard": "operator",
    "gateway_live": "operator support",
    "gateway_live_figures": "operator support",
    "gateway_explain": "operator support",
    "gateway_files": "operator support",
    "gateway_export": "operator support",
    "gateway_restore": "operator",
    **model_pages("gateway_requestlog", view="operator support"),
    "gateway.route: delete_selected": "operator",
    "gateway.route: disable": "operator",
    "gateway.route: enable": "operator",
}


def test_every_page_form_and_action_is_for_its_roles():
    assert walk() == PAGES
