"""Which role may open which page of the admin of payments."""

import pytest

from atoll.testing.rights import ANY_STAFF, API_PAGES, BUS_PAGES, model_pages, walk

# Some three hundred pages: on a busy machine they take their time.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

PAGES = {
    **ANY_STAFF,
    **API_PAGES,
    **BUS_PAGES,
    **model_pages("payments_payment", view="support"),
    **model_pages("payments_sandboxcharge", view="support"),
    **model_pages("payments_sandboxrefund", view="support"),
    "payments_payment_refund": "support",
}


def test_every_page_form_and_action_is_for_its_roles():
    assert walk() == PAGES
