import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from testproject.admin import NoteAdmin
from testproject.models import Note, Stamp

from atoll.admin import front_parts, register_front_part, register_tile, tiles
from atoll.api.models import IdempotencyRecord
from atoll.identity.roles import CATALOGUE, OPERATOR, SUPPORT
from atoll.testing.rights import ANY_STAFF, API_PAGES, BUS_PAGES, member, model_pages, walk

pytestmark = pytest.mark.django_db

BACKEND = "atoll.identity.backends.AccountBackend"


@pytest.fixture
def admin(client):
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend=BACKEND)
    return client


@pytest.fixture(autouse=True)
def _own_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "_sources", dict(tiles._sources))


def html(client, path):
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def test_the_overview_carries_the_projects_title_and_its_figures(admin):
    Note.objects.bulk_create(Note(text="x", is_pinned=index < 2) for index in range(1234))
    page = html(admin, "/admin/")
    assert "Atoll library" in page
    assert "1,234" in page
    assert "library-service" in page
    assert "/admin/testproject/note/" in page


def test_a_part_that_cannot_be_computed_does_not_take_the_page_down(admin, monkeypatch):
    monkeypatch.setattr(front_parts, "_parts", {})
    register_front_part(
        "broken",
        lambda request: str(Note.objects.extra(where=["no_such_column = 1"]).count()),
        permission="testproject.view_note",
    )
    register_front_part("whole", lambda request: "a part", permission="testproject.view_note")
    page = html(admin, "/admin/")
    assert "a part" in page
    assert "Notes" in page


def test_a_figure_that_cannot_be_computed_does_not_take_the_page_down(admin):
    register_tile("Broken", lambda: Note.objects.extra(where=["no_such_column = 1"]).count())
    page = html(admin, "/admin/")
    assert "Broken" in page
    assert "Notes" in page


def test_nobody_gets_in_without_signing_in(client):
    for path in ("/admin/", "/admin/testproject/note/", "/admin/search/?s=note"):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/")
    assert "Atoll library" in html(client, "/admin/oidc/signed-out")


def test_an_account_without_the_staff_role_does_not_get_in(client):
    client.force_login(User.objects.create(username="bob"), backend=BACKEND)
    assert client.get("/admin/")["Location"].startswith("/admin/login/")


def test_lists_can_be_searched_and_filtered(admin):
    Note.objects.create(text="find me")
    Note.objects.create(text="other", is_pinned=True)
    page = html(admin, "/admin/testproject/note/?q=find")
    assert "find me" in page and "other" not in page
    page = html(admin, "/admin/testproject/note/?is_pinned__exact=1")
    assert "other" in page and "find me" not in page


def test_a_row_can_be_added_and_changed(admin):
    admin.post("/admin/testproject/note/add/", {"text": "new", "price_paid": "1.50"})
    note = Note.objects.get()
    admin.post(f"/admin/testproject/note/{note.pk}/change/", {"text": "changed", "price_paid": "1.50"})
    note.refresh_from_db()
    assert note.text == "changed"


def test_what_is_read_only_can_be_looked_at_and_not_touched(admin):
    stamp = Stamp.objects.create(name="penny black")
    assert "penny black" in html(admin, "/admin/testproject/stamp/")
    assert "penny black" in html(admin, f"/admin/testproject/stamp/{stamp.pk}/change/")
    for path, data in (
        ("add/", {"name": "fake"}),
        (f"{stamp.pk}/change/", {"name": "fake"}),
        (f"{stamp.pk}/delete/", {"post": "yes"}),
    ):
        assert admin.post(f"/admin/testproject/stamp/{path}", data).status_code == 403
    admin.post(
        "/admin/testproject/stamp/",
        {"action": "delete_selected", "_selected_action": [stamp.pk], "post": "yes"},
    )
    assert list(Stamp.objects.values_list("name", flat=True)) == ["penny black"]


def test_what_a_row_says_is_shown_as_text_and_not_run(admin):
    Note.objects.create(text="<script>alert(1)</script>")
    page = html(admin, "/admin/testproject/note/")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_local_copies_of_accounts_and_their_passwords_cannot_be_edited(admin):
    for path in ("auth/user/", "auth/group/", "password_change/"):
        assert admin.get(f"/admin/{path}").status_code == 404


def test_the_admin_needs_nothing_from_elsewhere(admin):
    pages = [html(admin, path) for path in ("/admin/", "/admin/testproject/note/")]
    for page in [*pages, html(Client(), "/admin/oidc/signed-out")]:
        assert 'src="http' not in page
        assert 'rel="stylesheet" href="http' not in page


def test_used_idempotency_keys_can_be_looked_up_without_the_answers(admin):
    headers = {"Idempotency-Key": "lost-order-1"}
    admin.post("/notes", {"text": "secret"}, content_type="application/json", headers=headers)
    page = html(admin, "/admin/atoll_api/idempotencyrecord/?q=lost-order")
    assert "lost-order-1" in page
    row = IdempotencyRecord.objects.get()
    page = html(admin, f"/admin/atoll_api/idempotencyrecord/{row.pk}/change/")
    assert "lost-order-1" in page and "secret" not in page


@pytest.mark.parametrize(
    "path",
    ["/admin/testproject/note/?text__regex=(", "/admin/atoll_bus/quarantine/not-an-id/change/"],
)
def test_an_address_edited_by_hand_is_refused_and_no_server_error(admin, path):
    assert admin.get(path).status_code in (302, 400)


@pytest.mark.parametrize("chosen", ["x", "\0"])
def test_an_action_on_an_id_that_cannot_be_is_refused_and_changes_nothing(admin, chosen):
    Note.objects.create(text="kept")
    asked = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    assert admin.post("/admin/testproject/note/", asked).status_code == 400
    assert Note.objects.count() == 1


def test_a_secret_field_cannot_be_guessed_letter_by_letter(admin, monkeypatch):
    Note.objects.create(text="hunter2")
    assert admin.get("/admin/testproject/note/?text__startswith=h").status_code == 200
    monkeypatch.setattr(NoteAdmin, "secret_fields", ("text",))
    assert admin.get("/admin/testproject/note/?text__startswith=h").status_code == 400


def test_a_page_of_an_app_is_in_its_menu_and_for_whoever_may_see_it(admin):
    assert html(admin, "/admin/testproject/shelf/") == "Shelf of ada"
    index = html(admin, "/admin/")
    assert 'href="/admin/testproject/shelf/"' in index
    assert "/admin/testproject/cellar/" not in index
    assert html(admin, "/admin/testproject/cellar/") == "Shelf of ada"

    member(OPERATOR, username="ada")
    assert admin.get("/admin/testproject/shelf/").status_code == 403
    assert "/admin/testproject/shelf/" not in html(admin, "/admin/")
    admin.logout()
    assert "/login/" in admin.get("/admin/testproject/shelf/")["Location"]


def test_every_page_of_the_librarys_own_admin_is_for_its_roles():
    assert walk() == {
        **ANY_STAFF,
        **API_PAGES,
        **BUS_PAGES,
        **model_pages(
            "testproject_note", view="catalogue support", add="support", change="support", delete=""
        ),
        **model_pages("testproject_stamp", view=""),
        "testproject.note: delete_selected": "",
        "testproject.note: unpin": "support",
        "testproject_cellar": "catalogue support",
        "testproject_shelf": "catalogue support",
    }


def test_a_page_for_other_roles_says_which_and_which_the_reader_holds(client):
    client.force_login(member(CATALOGUE, username="cato"), backend=BACKEND)
    answer = client.get("/admin/testproject/note/add/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "This page needs the role <b>support or administrator</b>." in page
    assert "You hold: catalogue." in page
    assert "Atoll library" in page

    chosen = {"action": "delete_selected", "_selected_action": "1", "index": "0"}
    note = Note.objects.create(text="kept")
    refused = client.post("/admin/testproject/note/", {**chosen, "_selected_action": note.pk, "post": "yes"})
    assert refused.status_code == 403
    assert "<b>administrator</b>" in refused.content.decode()
    assert Note.objects.get() == note


def test_what_nobody_does_by_hand_names_no_role(admin):
    answer = admin.get("/admin/atoll_api/idempotencyrecord/add/")
    assert answer.status_code == 403
    assert "Nobody may do this here" in answer.content.decode()
    assert "needs the role" not in answer.content.decode()


def test_a_role_without_a_page_in_the_project_gets_in_and_sees_no_figure(client):
    client.force_login(member(OPERATOR, username="otis"), backend=BACKEND)
    page = html(client, "/admin/")
    assert "Dead letters" in page
    assert "/admin/testproject/note/" not in page
    assert ">Notes<" not in page
    client.force_login(member(SUPPORT, username="sue"), backend=BACKEND)
    assert ">Notes<" in html(client, "/admin/")
