"""A secret writes for one service, is never stored, and ends when it is revoked."""

import pytest
from django.core.management import call_command

from atoll import conf
from atoll.errors import InvalidInput
from registry.models import Credential
from registry.tests.credentials import accepted
from registry.usecases.credentials import InvalidCredential, ensure, issue, may_write, revoke

pytestmark = pytest.mark.django_db


def test_an_issued_secret_is_accepted_and_not_stored():
    credential, secret = issue("order-service", label="laptop", actor="ada")

    assert accepted("order-service", secret).pk == credential.pk
    stored = Credential.objects.values().get()
    assert secret not in str(stored)


@pytest.mark.parametrize("name", ["user-service", "order-service.worker", ""])
def test_it_is_not_accepted_for_another_name(name):
    _, secret = issue("order-service", actor="ada")

    with pytest.raises(InvalidCredential):
        accepted(name, secret)


def test_it_writes_for_its_service_and_its_worker_only():
    _, secret = issue("order-service", actor="ada")
    credential = accepted("order-service", secret)

    assert may_write(credential, "order-service")
    assert may_write(credential, "order-service.worker")
    assert not may_write(credential, "order-services")
    assert not may_write(credential, "payment-service")


def test_a_revoked_secret_is_refused_while_its_sibling_goes_on():
    old, old_secret = issue("order-service", actor="ada")
    _, new_secret = issue("order-service", actor="ada")

    assert revoke(old, actor="ada")
    assert not revoke(old, actor="ada")

    with pytest.raises(InvalidCredential):
        accepted("order-service", old_secret)
    accepted("order-service", new_secret)
    with pytest.raises(InvalidInput) as refusal:
        ensure("order-service", old_secret, actor="ada")
    assert refusal.value.code == "secret_not_usable"


def test_a_short_secret_is_refused():
    with pytest.raises(InvalidInput) as refusal:
        ensure("order-service", "change-me", actor="ada")
    assert refusal.value.code == "weak_secret"
    assert Credential.objects.count() == 0


def test_synchronising_gives_every_project_its_configured_secret_and_may_be_repeated(capsys):
    call_command("sync_credentials")
    call_command("sync_credentials")

    assert capsys.readouterr().out.count("already known") == len(conf.projects())
    for project in conf.projects().values():
        accepted(project.service, conf.secret("SERVICE_SECRET", project.name))
    assert Credential.objects.count() == len(conf.projects())
