"""The cost of one request for a list of accounts."""

import pytest

from services.users.models import User


@pytest.mark.django_db
def test_the_longest_page_is_bounded(atoll_as_staff, django_assert_max_num_queries):
    User.objects.bulk_create(
        User(email=f"{'m' * 200}-{number}@atoll.example", name="\u20ac" * 200) for number in range(100)
    )
    client = atoll_as_staff()
    with django_assert_max_num_queries(4):
        answer = client.get("/users?pageSize=100")
    assert len(answer.json()) == 100
    assert len(answer.content) < 150_000
