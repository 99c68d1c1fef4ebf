"""Texts in the forms of the admins, by the rule of ``atoll.text``."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from atoll import text

__all__ = ["LineField"]


def one_line(value: str) -> None:
    _check(value, has_lines=False)


def some_lines(value: str) -> None:
    _check(value, has_lines=True)


def _check(value: str, *, has_lines: bool) -> None:
    fault = text.fault_of(value, has_lines=has_lines)
    if fault:
        raise ValidationError(fault, code="unfit_text")


class LineField(forms.CharField):
    """A form field for one line of text."""

    default_validators = [one_line]


def hold_to_the_rule(field: Any, column: "models.Field[Any, Any]") -> None:
    """Add the rule to the form field of a text column."""
    if isinstance(field, forms.CharField) and isinstance(column, models.CharField | models.TextField):
        rule = some_lines if isinstance(column, models.TextField) else one_line
        field.validators = [*field.validators, rule]
