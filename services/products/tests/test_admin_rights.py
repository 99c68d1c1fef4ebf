"""Which role may open which page of the admin of products."""

import pytest

from atoll.testing.rights import ANY_STAFF, API_PAGES, BUS_PAGES, model_pages, walk

# Some three hundred pages: on a busy machine they take their time.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

PAGES = {
    **ANY_STAFF,
    **API_PAGES,
    **BUS_PAGES,
    **model_pages("products_product", view="catalogue support", add="catalogue", change="catalogue"),
    **model_pages("products_stockmovement", view="catalogue support"),
    **model_pages("products_stockreservation", view="catalogue support"),
    "products_product_receive_stock": "catalogue",
    "products.product: bring_back_selected_products": "catalogue",
    "products.product: delete_selected_products": "catalogue",
}


def test_every_page_form_and_action_is_for_its_roles():
    assert walk() == PAGES
