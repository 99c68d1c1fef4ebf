import pytest


@pytest.fixture
def document(client):
    return client.get("/schema").json()


def test_properties_are_named_as_they_are_on_the_wire(document):
    note = document["components"]["schemas"]["Note"]
    assert set(note["properties"]) == {"id", "text", "pricePaid", "createdAt"}
    assert set(note["required"]) == {"id", "text", "createdAt"}


def test_every_operation_documents_the_error_shape(document):
    reference = {"$ref": "#/components/schemas/Error"}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert operations
    for operation in operations:
        for status in ("4XX", "5XX"):
            assert operation["responses"][status]["content"]["application/json"]["schema"] == reference
    assert document["components"]["schemas"]["Error"]["required"] == [
        "error",
        "message",
        "code",
        "correlationId",
        "details",
    ]


def test_lists_are_arrays_with_paging_parameters(document):
    operation = document["paths"]["/notes"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Note"},
    }
    parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    assert parameters["pageSize"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["page"] == {"type": "integer", "minimum": 1, "default": 1}


def test_the_idempotency_key_is_documented_where_it_is_honoured(document):
    def headers(path):
        return [
            p["name"] for p in document["paths"][path]["post"].get("parameters", []) if p["in"] == "header"
        ]

    assert headers("/notes") == ["Idempotency-Key"]


def test_the_bearer_token_is_documented(document):
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_page_needs_no_other_host(client):
    page = client.get("/docs")
    assert (page.status_code, page["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "https://" not in page.content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page.content.decode()
