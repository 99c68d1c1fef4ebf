"""The page that asks for confirmation before an action on one row or one group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from atoll.admin import site
from atoll.admin.lines import LineField
from atoll.bus.admin.ledger import MAX_REASON_CHARACTERS
from atoll.bus.admin.look import FIELD_TEMPLATE, TextInput


class ReasonForm(forms.Form):
    field_template = FIELD_TEMPLATE
    reason = LineField(
        max_length=MAX_REASON_CHARACTERS,
        widget=TextInput(attrs={"autofocus": True}),
        help_text="Kept with the row and in the admin's log.",
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """The texts of one confirmation page. ``facts`` describe the row or group."""

    title: str
    warning: str
    button: str
    back_to: str
    needs_reason: bool = False
    facts: Sequence[tuple[str, Any]] = ()


def ask(request: HttpRequest, question: Question, answer: Callable[[str], Any]) -> HttpResponse:
    """Show the question. On a confirmation, call ``answer`` with the reason and redirect to ``back_to``.

    The reason is "" when the question needs none.
    """
    form = ReasonForm(request.POST if request.method == "POST" else None) if question.needs_reason else None
    if request.method == "POST" and (form is None or form.is_valid()):
        answer(form.cleaned_data["reason"] if form else "")
        return HttpResponseRedirect(question.back_to)
    page = {
        **site.each_context(request),
        "title": question.title,
        "question": question,
        "form": form,
    }
    return TemplateResponse(request, "atoll/bus/decide.html", page)
