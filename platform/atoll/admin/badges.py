"""Coloured badges, on lists, on the page of one row and in inline tables."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

__all__ = ["EMPTY", "badge"]

EMPTY = "–"

Method = Callable[[Any, Any], Any]


def badge(
    *,
    description: str,
    colours: Mapping[Any, str],
    ordering: Any = None,
    template: str = "unfold/helpers/label.html",
) -> Callable[[Method], Callable[[Any, Any], SafeString | str]]:
    """Decorate a method of an admin class: its value becomes a badge.

    The method returns a key of ``colours``, or a key and the text for people. A value that ``colours``
    does not have is grey. "" and None are a dash. ``colours`` are unfold's: success, info, warning, danger.
    ``display(label=...)`` of unfold colours lists only, and prints a pair as Python writes it elsewhere.
    """

    def wrap(method: Method) -> Callable[[Any, Any], SafeString | str]:
        @admin.display(description=description, ordering=ordering)
        @functools.wraps(method)
        def shown(admin_class: Any, row: Any) -> SafeString | str:
            value = method(admin_class, row)
            key, text = value if isinstance(value, tuple) else (value, value)
            if text in (None, "", EMPTY):
                return EMPTY
            shape = {"type": colours.get(key, ""), "text": str(text)}
            return SafeString(render_to_string(template, shape).strip())

        return shown

    return wrap
