"""docs/personal-data.md names every field that suggests a person, and events mark theirs."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "personal-data.md"
SUGGESTS = re.compile(
    r"(^|_)(e?mail|name|first|last|surname|username|user|customer|person|owner|member|address|host|ip|client|phone|"
    r"mobile|agent|actor|by|principal|birth\w*|street|city|memo|label|subject|note|reason|repr)($|_)"
)
NAMED = re.compile(r"`(\w+): (\w+)\.(\w+)`")
# Fields of Django's and of the library that hold texts of any kind.
LISTED_TOO = {
    ("django", "User", "email"),
    ("django", "User", "first_name"),
    ("django", "LogEntry", "object_repr"),
    ("django", "LogEntry", "change_message"),
    ("django", "Session", "session_data"),
    ("library", "Inbox", "body"),
    ("library", "Outbox", "body"),
    ("library", "Quarantine", "body"),
    ("library", "Delivery", "edited_body"),
    ("library", "Delivery", "error"),
    ("library", "Delivery", "traceback"),
    ("library", "IdempotencyRecord", "body"),
    ("gateway", "RequestLog", "path"),
}
PERSONAL = re.compile(
    r"^(e?mail|name|first.?name|last.?name|phone|address|street|birth\w*|changes)$", re.IGNORECASE
)


def fields() -> Iterator[tuple[str, str, str]]:
    """Every field of every model: project, model, field."""
    others = [ROOT / "gateway" / "callers.py", *ROOT.glob("registry/*models.py")]
    own = [*ROOT.glob("services/*/models.py"), ROOT / "gateway" / "models.py", *others]
    for path in [*own, *ROOT.glob("platform/atoll/*/models.py")]:
        project = "library" if "platform" in path.relative_to(ROOT).parts else path.parent.name
        for model in ast.parse(path.read_text()).body:
            if isinstance(model, ast.ClassDef):
                yield from ((project, model.name, field) for field in _fields_of(model))


def _fields_of(model: ast.ClassDef) -> Iterator[str]:
    for line in model.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        made = getattr(line, "value", None)
        if isinstance(target, ast.Name) and isinstance(made, ast.Call):
            kind = made.func.attr if isinstance(made.func, ast.Attribute) else getattr(made.func, "id", "")
            if kind.endswith(("Field", "ForeignKey")):
                yield target.id


def test_every_field_that_suggests_a_person_is_in_the_document():
    named = set(NAMED.findall(DOCUMENT.read_text()))
    known = set(fields())
    missing = {one for one in known if SUGGESTS.search(one[2])} - named
    assert not missing, f"Say in docs/personal-data.md how these end: {sorted(missing)}"
    assert named >= LISTED_TOO
    gone = {one for one in named if one[0] != "django"} - known
    assert not gone, f"docs/personal-data.md names fields that do not exist: {sorted(gone)}"


def test_the_rule_sees_a_field_that_nobody_listed():
    model = ast.parse(
        "class Guest:\n    phone: 'models.CharField[str]' = models.CharField()\n    by = f.UUIDField()\n"
    )
    found = list(_fields_of(model.body[0]))
    assert found == ["phone", "by"]
    assert all(
        SUGGESTS.search(field) for field in (*found, "customer_email", "user_agent", "client_ip", "last_name")
    )
    assert not any(
        SUGGESTS.search(field) for field in ("status", "amount", "updated_at", "filename", "shipped")
    )


def test_every_event_that_tells_about_a_person_marks_the_fields():
    document = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
    found = {}
    for name, message in document["components"]["messages"].items():
        data = message["payload"]["properties"]["data"].get("properties", {})
        facts = message["x-atoll"]
        told = {field for field in data if PERSONAL.match(field)}
        if "userId" in data and told - set(facts.get("personal", [])):
            found[name] = sorted(told)
    assert found == {}
    marked = {
        name
        for name, message in document["components"]["messages"].items()
        if "personal" in message["x-atoll"]
    }
    assert marked >= {"user.created.v1", "user.updated.v1"}
