"""Names, titles and reasons: something of them can be seen, and nothing turns the text around them."""

import pytest
from django import forms
from django.db import models
from rest_framework import serializers

from atoll import text
from atoll.admin.lines import LineField, hold_to_the_rule
from atoll.api.fields import Line, Lines
from atoll.bus.admin.decisions import ReasonForm
from atoll.bus.admin.editing import EditForm

INVISIBLE = {
    "zero-width space": "\u200b",
    "joiners": "\u200c\u200d",
    "byte order mark": "\ufeff",
    "word joiner between spaces": " \u2060 ",
    "soft hyphen": "\u00ad",
    "marks of direction": "\u200e\u200f\u061c",
    "Mongolian vowel separator": "\u180e",
    "variation selector": "\ufe0f",
    "grapheme joiner": "\u034f",
    "a mark without a letter": "\u0301",
    "tag characters": "\U000e0041\U000e007f",
    "Hangul fillers": "\u115f\u1160\u3164\uffa0",
    "empty Braille cell": "\u2800",
    "private use": "\ue000",
    "wide spaces": "\u3000\u2003",
}
CONTROLLING = [
    *(chr(code) for code in (0x00, 0x07, 0x09, 0x0A, 0x0D, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0x9B, 0x9F)),
    *(chr(code) for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x2070))),
]
FIT = [
    "A",
    "7",
    "李",
    "Renée",
    "Rene\u0301e",
    "می\u200cخواهم",
    "\u05d3\u05d5\u05d3\u200e Cohen",
    "👩\u200d🚀",
    "☕\ufe0f",
    "O\u2019Brien",
    "a\u00a0b",
    "…",
]


@pytest.mark.parametrize("given", INVISIBLE.values(), ids=INVISIBLE)
def test_a_text_of_which_nothing_is_seen_is_none(given: str) -> None:
    assert text.fault_of(given) == "This must have at least one visible character."
    assert text.fault_of(given, has_lines=True) == "This must have at least one visible character."
    assert text.fault_of(f"{given}A") is None


@pytest.mark.parametrize("character", CONTROLLING, ids=lambda character: f"{ord(character):04x}")
def test_controls_are_refused_wherever_they_stand(character: str) -> None:
    for given in (f"{character}Ada", f"Ada{character}King", f"Ada{character}"):
        assert "not allowed" in str(text.fault_of(given))
    in_lines = text.fault_of(f"Ada{character}King", has_lines=True)
    assert (in_lines is None) == (character in "\t\n\r\u2028\u2029")


@pytest.mark.parametrize("given", FIT)
def test_what_people_are_called_is_taken(given: str) -> None:
    assert text.fault_of(given) is None


class Form(serializers.Serializer):
    name = Line(max_length=20)
    about = Lines(required=False, allow_blank=True)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "\u200b"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "Cup", "about": "\u2060"}, "about"),
        ({"name": "Cup", "about": "a\x1b[31m"}, "about"),
    ],
)
def test_fields_of_an_api_refuse_it(given: dict, field: str) -> None:
    form = Form(data=given)
    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_fields_of_an_api_take_the_rest() -> None:
    form = Form(data={"name": " Ada ", "about": "one\n\ttwo"})
    assert form.is_valid(), form.errors
    assert form.validated_data == {"name": "Ada", "about": "one\n\ttwo"}
    assert Form(data={"name": "Ada", "about": ""}).is_valid()


def test_fields_of_the_admins_keep_the_same_rule() -> None:
    note, required = LineField(required=False), LineField()
    assert note.clean("") == ""
    assert required.clean(" Broken ") == "Broken"
    for field in (note, required):
        for given in ("\u200b", "a\u202e"):
            with pytest.raises(forms.ValidationError):
                field.clean(given)


@pytest.mark.parametrize(
    ("column", "given"),
    [
        (models.CharField(max_length=9), "\u200b"),
        (models.CharField(max_length=9), "a\nb"),
        (models.TextField(), "\u200b"),
    ],
)
def test_so_do_fields_that_a_form_takes_from_a_model(column: models.Field, given: str) -> None:
    field = column.formfield()
    assert field.clean(given)

    hold_to_the_rule(field, column)

    with pytest.raises(forms.ValidationError):
        field.clean(given)
    assert field.clean("Ada") == "Ada"


@pytest.mark.parametrize("form", [ReasonForm, EditForm])
def test_so_does_each_reason_that_staff_give_about_messages(form: type[forms.Form]) -> None:
    with pytest.raises(forms.ValidationError):
        form.base_fields["reason"].clean("\u200b")
