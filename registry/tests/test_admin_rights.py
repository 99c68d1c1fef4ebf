"""The roles that may open each page of the registry's admin."""

import pytest

from atoll.testing.rights import ANY_STAFF, API_PAGES, model_pages, walk

# Some three hundred pages: on a busy machine they take their time.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

PAGES = {
    **ANY_STAFF,
    **API_PAGES,
    **model_pages("registry_credential", view="operator support", add=""),
    **model_pages("registry_journalentry", view="operator support"),
    **model_pages("registry_instance", view="operator support"),
    **model_pages("registry_service", view="operator support"),
    **model_pages("registry_notificationrule", view="operator support", add="", change="", delete=""),
    **model_pages("registry_notification", view="operator support"),
    **model_pages("registry_incident", view="operator support"),
    "registry.notificationrule: delete_selected": "",
    "registry_notificationrule_test_this": "operator",
    "registry_notificationrule_mute_this": "operator",
    "registry_notificationrule_unmute_this": "operator",
    "registry_instance_deregister_this": "operator",
    "registry_instance_drain_this": "operator",
    "registry_instance_undrain_this": "operator",
    "registry.credential: revoke_selected": "",
    "registry.instance: deregister_selected": "operator",
    "registry.instance: drain_selected": "operator",
    "registry.instance: undrain_selected": "operator",
}


def test_every_page_form_and_action_is_for_its_roles():
    assert walk() == PAGES
