"""/users: reading and listing accounts."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from atoll.ids import uuid7
from services.users.models import User
from services.users.usecases.delete_user import delete_user
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
As = Callable[..., APIClient]


def test_an_account_is_shown_to_its_owner_to_staff_and_to_services(
    make_user: Make, atoll_as_user: As, atoll_as_staff: As, atoll_as_service: As
) -> None:
    user = make_user("ada@example.com")

    shown = [
        client.get(f"/users/{user.id}")
        for client in (atoll_as_user(user.id), atoll_as_staff(), atoll_as_service())
    ]

    assert [answer.status_code for answer in shown] == [200, 200, 200]
    fields = {"id", "email", "name", "roles", "isActive", "createdAt", "updatedAt"}
    assert [set(answer.json()) - fields for answer in shown] == [{"pendingEmail"}, set(), set()]
    for answer in shown:
        assert fields <= set(answer.json())
        assert answer.json()["email"] == "ada@example.com"
    assert atoll_as_user(user.id).get("/users/me").json() == shown[0].json()


def test_somebody_elses_account_is_as_good_as_missing(make_user: Make, atoll_as_user: As) -> None:
    ada, bob = make_user(), atoll_as_user(make_user().id)

    for answer, missing in (
        (bob.get(f"/users/{ada.id}"), bob.get(f"/users/{uuid7()}")),
        (bob.patch(f"/users/{ada.id}", {"name": "X"}), bob.patch(f"/users/{uuid7()}", {"name": "X"})),
        (bob.delete(f"/users/{ada.id}"), bob.delete(f"/users/{uuid7()}")),
    ):
        assert answer.status_code == missing.status_code == 404
        assert answer.json() | {"correlationId": ""} == missing.json() | {"correlationId": ""}
        assert answer.json()["code"] == "user_not_found"
    ada.refresh_from_db()
    assert (ada.name, ada.is_active) == ("Ada Lovelace", True)


def test_every_address_needs_a_token(make_user: Make) -> None:
    user, client = make_user(), APIClient()

    for answer in (
        client.get("/users"),
        client.post("/users", {}),
        client.get("/users/me"),
        client.get(f"/users/{user.id}"),
        client.patch(f"/users/{user.id}", {}),
        client.delete(f"/users/{user.id}"),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"] == "Access token required"


def test_a_service_may_read_one_account_and_nothing_else(make_user: Make, atoll_as_service: As) -> None:
    user, service = make_user(), atoll_as_service()

    assert service.get("/users").status_code == 403
    assert service.get("/users/me").status_code == 403
    assert service.patch(f"/users/{user.id}", {"name": "X"}).status_code == 403
    assert service.delete(f"/users/{user.id}").status_code == 403
    assert service.post("/users", {}).status_code == 403


@pytest.mark.parametrize("url", ["/users/7", "/users/x", "/users/0190b5a4-0000-7000-8000", "/user"])
def test_an_address_that_is_none_is_404_in_the_error_shape(url: str, atoll_as_staff: As) -> None:
    answer = atoll_as_staff().get(url)

    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "message", "code", "correlationId", "details"}


class TestListing:
    @pytest.fixture
    def staff(self, make_user: Make, atoll_as_staff: As) -> APIClient:
        make_user("ada@example.com", "Ada Lovelace")
        grace = make_user("grace@example.com", "Grace Hopper", roles=("support",))
        update_user(make_user("alan@example.com", "Alan Turing").id, Changes(is_active=False))
        delete_user(make_user("gone@example.com", "Gone").id)
        return atoll_as_staff(grace)

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("ordering=name", ["Ada Lovelace", "Alan Turing", "Grace Hopper"]),
            ("ordering=-email", ["Grace Hopper", "Alan Turing", "Ada Lovelace"]),
            ("ordering=createdAt", ["Ada Lovelace", "Grace Hopper", "Alan Turing"]),
            ("", ["Alan Turing", "Grace Hopper", "Ada Lovelace"]),
            ("search=hopper", ["Grace Hopper"]),
            ("search=ADA@", ["Ada Lovelace"]),
            ("search=%25", []),
            ("role=support", ["Grace Hopper"]),
            ("role=admin", []),
            ("active=false", ["Alan Turing"]),
            ("active=true&ordering=name", ["Ada Lovelace", "Grace Hopper"]),
        ],
    )
    def test_staff_search_filter_and_order(self, staff: APIClient, query: str, names: list[str]) -> None:
        answer = staff.get(f"/users?{query}")

        assert [user["name"] for user in answer.json()] == names
        assert answer["X-Total-Count"] == str(len(names))

    def test_lists_come_in_pages(self, staff: APIClient) -> None:
        answer = staff.get("/users?ordering=name&page=2&pageSize=2")

        assert [user["name"] for user in answer.json()] == ["Grace Hopper"]
        assert answer["X-Total-Count"] == "3"
        assert 'rel="prev"' in answer["Link"]

    @pytest.mark.parametrize(
        "query",
        [
            "page=0",
            "page=x",
            "pageSize=-1",
            "role=root",
            "ordering=password",
            "search=%00",
            f"search={201 * 'x'}",
        ],
    )
    def test_a_bad_query_is_400(self, staff: APIClient, query: str) -> None:
        assert staff.get(f"/users?{query}").status_code == 400

    def test_customers_cannot_list(self, atoll_as_user: As) -> None:
        assert atoll_as_user().get("/users").status_code == 403
