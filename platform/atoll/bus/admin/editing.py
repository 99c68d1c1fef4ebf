"""The form that edits a dead delivery's data and replays the delivery."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from atoll.admin import site
from atoll.admin.lines import LineField
from atoll.bus.admin.ledger import MAX_REASON_CHARACTERS, LedgerAdmin
from atoll.bus.admin.look import FIELD_TEMPLATE, Textarea, TextInput
from atoll.bus.models import Delivery
from atoll.bus.operations import editing, recovery
from atoll.bus.operations.editing import Edit
from atoll.errors import Refusal

LEAST_ROWS, MOST_ROWS = 8, 30
OVERTAKEN = "Somebody edited it, or had it run again, since this page was opened. Look again before you edit."


class EditForm(forms.Form):
    """``instead_of`` is the digest of the edited body that the page showed."""

    field_template = FIELD_TEMPLATE

    payload = forms.CharField(
        label="Data",
        # The JSON parser gets the text exactly as the browser sent it.
        strip=False,
        widget=Textarea(attrs={"class": "page-code", "spellcheck": "false", "autocomplete": "off"}),
        help_text="The message's data as JSON. It must fit the handler's payload class.",
    )
    reason = LineField(
        max_length=MAX_REASON_CHARACTERS,
        widget=TextInput,
        help_text="Why you edit the data. The admin's log keeps the reason and your change.",
    )
    instead_of = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, delivery: Delivery, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.delivery = delivery
        self.edit: Edit | None = None
        lines = len(str(self.initial["payload"]).splitlines())
        self.fields["payload"].widget.attrs["rows"] = min(max(lines + 2, LEAST_ROWS), MOST_ROWS)

    def clean_payload(self) -> str:
        text: str = self.cleaned_data["payload"]
        try:
            self.edit = editing.edit(self.delivery, text)
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal
        return text

    def clean_instead_of(self) -> str:
        given: str = self.cleaned_data["instead_of"]
        if given != digest(self.delivery) or self.delivery.status not in recovery.REPLAYABLE:
            raise forms.ValidationError(OVERTAKEN)
        return given


def digest(delivery: Delivery) -> str:
    return hashlib.sha256(delivery.edited_body.encode()).hexdigest()


def edit_and_replay(
    admin: LedgerAdmin,
    request: HttpRequest,
    delivery: Delivery,
    *,
    facts: Sequence[tuple[str, Any]],
    back_to: str,
) -> HttpResponse:
    """Show the form. On valid input, replay the delivery with the new body and log the change."""
    if request.method != "POST" and delivery.status not in recovery.REPLAYABLE:
        messages.error(
            request, f"Only dead and discarded deliveries are edited; this one is {delivery.status}."
        )
        return HttpResponseRedirect(back_to)
    shown = {"payload": editing.current_data(delivery), "instead_of": digest(delivery)}
    form = EditForm(delivery, request.POST if request.method == "POST" else None, initial=shown)
    if form.is_valid() and _take(admin, request, delivery, form):
        messages.success(request, "It was edited and will run again.")
        return HttpResponseRedirect(back_to)
    page = {
        **site.each_context(request),
        "title": "Edit and replay",
        "form": form,
        "facts": facts,
        "original": editing.original_data(delivery) if delivery.edited_body else "",
        "overtaken": form.errors.get("instead_of") or form.non_field_errors(),
        "back_to": back_to,
    }
    return TemplateResponse(request, "atoll/bus/edit.html", page)


def _take(admin: LedgerAdmin, request: HttpRequest, delivery: Delivery, form: EditForm) -> bool:
    """Apply the change and log it, in one transaction. Returns False when another person was faster."""
    if form.edit is None:
        return False
    with transaction.atomic():
        taken = recovery.replay_edited(delivery.pk, body=form.edit.body, instead_of=delivery.edited_body)
        if taken:
            reason = form.cleaned_data["reason"]
            admin.log_change(request, delivery, f"edited and will run again: {reason}\n{form.edit.diff}")
    if not taken:
        form.add_error(None, OVERTAKEN)
    return taken
