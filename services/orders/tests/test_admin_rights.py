"""Which role may open which page of the admin of orders."""

import pytest

from atoll.testing.rights import ANY_STAFF, API_PAGES, BUS_PAGES, model_pages, walk

# Some three hundred pages: on a busy machine they take their time.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

PAGES = {
    **ANY_STAFF,
    **API_PAGES,
    **BUS_PAGES,
    **model_pages("orders_order", view="support"),
    "orders_order_ask_again": "support",
    "orders_order_cancel_this_order": "support",
    "orders_order_return_goods": "support",
    "orders_order_settle_by_hand": "support",
    "orders.order: ask_selected_again": "support",
    "orders.order: cancel_selected_orders": "support",
}


def test_every_page_form_and_action_is_for_its_roles():
    assert walk() == PAGES
