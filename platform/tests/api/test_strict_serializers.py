import pytest
from rest_framework import serializers
from testproject.models import Note

from atoll.api.serializers import StrictModelSerializer, StrictSerializer, validated


class Line(StrictSerializer):
    product_id = serializers.IntegerField()
    unit_price = serializers.IntegerField(read_only=True)


class Basket(StrictSerializer):
    lines = Line(many=True)
    address = StrictSerializer(required=False)
    placed_by = serializers.HiddenField(default="ada")


class NoteInput(StrictModelSerializer):
    class Meta:
        model = Note
        fields = ("id", "text")


@pytest.mark.parametrize(
    ("serializer", "data", "errors"),
    [
        (NoteInput, {"text": "a", "is_pinned": True}, {"is_pinned": ["Unknown field."]}),
        (NoteInput, {"text": "a", "id": 5}, {"id": ["This field cannot be set."]}),
        (Basket, {"lines": [], "placed_by": "eve"}, {"placed_by": ["This field cannot be set."]}),
        (Basket, {"lines": [], "address": {"street": "x"}}, {"address": {"street": ["Unknown field."]}}),
        (
            Basket,
            {"lines": [{"product_id": 1}, {"product_id": 1, "unit_price": 0}]},
            {"lines": {1: {"unit_price": ["This field cannot be set."]}}},
        ),
    ],
)
def test_what_may_not_be_sent_is_named(serializer, data, errors):
    asked = serializer(data=data)
    assert not asked.is_valid()
    assert asked.errors == errors


def test_no_more_than_20_of_many_unknown_fields_are_named():
    asked = NoteInput(data={f"field_{number}": number for number in range(50_000)})
    assert not asked.is_valid()
    assert list(asked.errors) == [f"field_{number}" for number in range(20)]


def test_what_may_be_sent_is_taken():
    asked = Basket(data={"lines": [{"product_id": 1}]})
    assert asked.is_valid()
    assert asked.validated_data == {"lines": [{"product_id": 1}], "placed_by": "ada"}


def test_a_partial_update_is_as_strict():
    asked = NoteInput(Note(text="old"), data={"is_pinned": True}, partial=True)
    assert not asked.is_valid()


def test_validating_many_times_gives_what_a_new_serializer_gives():
    good, bad = {"lines": [{"product_id": 1}]}, {"lines": [{"product_id": "x"}], "extra": 1}
    for _ in range(2):
        fresh = Basket(data=good)
        assert fresh.is_valid()
        assert validated(Basket, good) == fresh.validated_data
        with pytest.raises(serializers.ValidationError) as refused:
            validated(Basket, bad)
        refusing = Basket(data=bad)
        assert not refusing.is_valid()
        assert refused.value.detail == refusing.errors
