from urllib.parse import urlsplit

import pytest
from django.db import connection

from atoll import conf
from atoll.dev import servers


@pytest.fixture
def standard_ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The engines of this test run stand for the servers on the standard ports."""
    database = connection.settings_dict
    redis_url = conf.redis_url()
    place = f"{database['HOST']}:{database['PORT']}"
    for name in servers.STANDARD:
        monkeypatch.delenv(name, raising=False)
    found = {
        "DATABASE_URL": f"postgres://{database['USER']}:{database['PASSWORD']}@{place}",
        "RABBITMQ_URL": "amqp://guest:guest@127.0.0.1:1//",
        "REDIS_URL": redis_url,
    }
    monkeypatch.setattr(servers, "STANDARD", found)
    return found


def test_servers_on_the_standard_ports_are_found_and_silent_ports_are_not(standard_ports: dict[str, str]):
    assert servers.real_servers() == {
        name: url for name, url in standard_ports.items() if name != "RABBITMQ_URL"
    }


def test_a_server_that_does_not_let_us_in_is_left_alone(standard_ports: dict[str, str]):
    postgres, redis = urlsplit(standard_ports["DATABASE_URL"]), urlsplit(standard_ports["REDIS_URL"])
    standard_ports["DATABASE_URL"] = f"postgres://a_stranger@{postgres.hostname}:{postgres.port}"
    standard_ports["REDIS_URL"] = f"redis://a_stranger:wrong@{redis.hostname}:{redis.port}/9"

    assert servers.real_servers() == {}


def test_a_server_that_a_variable_names_counts_whether_it_answers_or_not(
    standard_ports: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    standard_ports.clear()
    standard_ports["RABBITMQ_URL"] = "amqp://guest:guest@127.0.0.1:1//"
    monkeypatch.setenv("RABBITMQ_URL", "amqp://127.0.0.1:2//")

    assert servers.real_servers() == {"RABBITMQ_URL": "amqp://127.0.0.1:2//"}
