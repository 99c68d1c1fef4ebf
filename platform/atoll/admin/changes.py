"""The text of the history for a saved form: the old and the new value of each field."""

from collections.abc import Collection, Sequence
from typing import Any

from django.utils.text import Truncator

ARROW = "\u2192"
NOTHING = "nothing"
MAX_CHARS = 120


def in_words(form: Any, *, concealed: Collection[str] = ()) -> list[str]:
    """One text for each changed field that the model has: ``Name: Ada → Ada Lovelace``.

    A field in ``concealed`` is named without its values, like one that the form shows as a password.
    """
    return [
        _change(form, name, is_concealed=name in concealed)
        for name in form.changed_data
        if name in form.cleaned_data and hasattr(form.instance, name)
    ]


def _change(form: Any, name: str, *, is_concealed: bool) -> str:
    field = form.fields[name]
    label = str(field.label or name.replace("_", " ")).strip()
    label = label[:1].upper() + label[1:]
    if is_concealed or getattr(field.widget, "input_type", "") == "password":
        return f"{label} changed"
    before, after = _text(field, form.initial.get(name)), _text(field, form.cleaned_data.get(name))
    return f"{label} changed" if before == after else f"{label}: {before} {ARROW} {after}"


def _text(field: Any, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Truncator(", ".join(str(one) for one in value)).chars(MAX_CHARS)
    named = {} if hasattr(field, "queryset") else dict(getattr(field, "choices", ()))
    return Truncator(str(named.get(value, value))).chars(MAX_CHARS)
