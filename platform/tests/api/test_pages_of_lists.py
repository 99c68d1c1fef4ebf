import pytest
from testproject.models import Note

pytestmark = pytest.mark.django_db


@pytest.fixture
def notes():
    return Note.objects.bulk_create(Note(text=f"note {number}") for number in range(45))


def texts(response):
    return [note["text"] for note in response.json()]


def test_a_list_is_a_plain_array_with_its_count_in_a_header(client, notes):
    response = client.get("/notes")
    assert texts(response) == [f"note {number}" for number in range(20)]
    assert response["X-Total-Count"] == "45"


def test_the_links_lead_to_the_other_pages_relative_to_where_one_asked(client, notes):
    response = client.get("/notes?pageSize=10&page=2&word=a%26b")
    assert response["Link"] == (
        '<?pageSize=10&page=1&word=a%26b>; rel="first", <?pageSize=10&page=5&word=a%26b>; rel="last", '
        '<?pageSize=10&page=1&word=a%26b>; rel="prev", <?pageSize=10&page=3&word=a%26b>; rel="next"'
    )


def test_following_next_visits_everything_once(client, notes):
    seen, page = [], "?pageSize=7"
    while page:
        response = client.get(f"/notes{page}")
        seen += texts(response)
        links = dict(reversed(link.split("; ")) for link in response["Link"].split(", "))
        page = links.get('rel="next"', "").strip("<>")
    assert seen == [f"note {number}" for number in range(45)]


def test_a_page_past_the_end_is_empty(client, notes):
    response = client.get("/notes?page=4")
    assert (response.status_code, response.json(), response["X-Total-Count"]) == (200, [], "45")
    assert client.get("/notes?page=999999999").json() == []


def test_an_empty_list_is_one_empty_page(client):
    response = client.get("/notes")
    assert (response.json(), response["X-Total-Count"]) == ([], "0")
    assert response["Link"] == '<?page=1>; rel="first", <?page=1>; rel="last"'


def test_a_page_has_at_most_a_hundred_items(client):
    Note.objects.bulk_create(Note(text="x") for _ in range(120))
    assert len(client.get("/notes?pageSize=1000").json()) == 100


@pytest.mark.parametrize("name", ["page", "pageSize"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "abc", "", "1e3", "٣", "9" * 30])
def test_a_page_that_is_no_positive_number_is_refused(client, name, value):
    response = client.get("/notes", {name: value})
    assert response.status_code == 400
    assert response.json()["details"] == {name: value}
