"""The form of the page "Explain this request"."""

from typing import Any

from django import forms
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from gateway.edge.routes.route import METHODS
from gateway.explain import asked as typed

PUBLISHED, DRAFT = "published", "draft"
VISITOR, ME, CREDENTIAL = "visitor", "me", "credential"
SAFE = ("GET", "HEAD", "OPTIONS")
ONE_LINE = {"autocomplete": "off", "spellcheck": "false"}


class RequestForm(forms.Form):
    """``tries``: the request is to be sent, so what only that needs is asked for."""

    method = forms.ChoiceField(choices=[(one, one) for one in METHODS], widget=UnfoldAdminSelectWidget)
    address = forms.CharField(
        label="Path or URL",
        max_length=typed.MAX_CHARS,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "/api/orders?page=2", "spellcheck": "false"}),
    )
    caller = forms.ChoiceField(
        label="Sent by",
        required=False,
        choices=[
            (VISITOR, "A visitor who is not signed in"),
            (ME, "Me"),
            (CREDENTIAL, "The token or API key below"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    password = forms.CharField(
        label="Your password",
        required=False,
        max_length=1024,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
        help_text="Only for trying it as you. It is neither stored nor logged.",
    )
    token = forms.CharField(
        label="Access token or API key",
        required=False,
        max_length=typed.MAX_CHARS,
        widget=UnfoldAdminTextInputWidget(attrs=ONE_LINE),
        help_text="Of somebody else. It is neither stored nor logged.",
    )
    headers = forms.CharField(
        label="Header fields",
        required=False,
        max_length=typed.MAX_CHARS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false", "class": "page-code"}),
        help_text="One per line, such as Origin: https://shop.example.com.",
    )
    body = forms.CharField(
        required=False,
        max_length=typed.MAX_CHARS * 8,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false", "class": "page-code"}),
        help_text="Only for trying it.",
    )
    client = forms.GenericIPAddressField(
        label="Client's address", initial="203.0.113.7", widget=UnfoldAdminTextInputWidget
    )
    table = forms.ChoiceField(
        choices=[(PUBLISHED, "The published table"), (DRAFT, "The draft")],
        widget=UnfoldAdminSelectWidget,
        help_text="For the explanation alone. A tried request always meets the published table.",
    )
    confirm = forms.BooleanField(
        label="It may change something",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text=f"Needed for each try that is not {', '.join(SAFE[:-1])} or {SAFE[-1]}: it is really done.",
    )

    def __init__(self, data: Any = None, *, tries: bool = False, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        self._tries = tries

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        token = given.get("token", "")
        given["caller"] = given.get("caller") or (CREDENTIAL if token else VISITOR)
        if given["caller"] == CREDENTIAL and not token:
            self.add_error("token", "Paste the token or the key.")
        if given["caller"] != CREDENTIAL and token:
            self.add_error("token", "Leave this empty, or choose it above as the sender.")
        if self._tries:
            self._check_what_trying_needs(given)
        return given

    def _check_what_trying_needs(self, given: dict[str, Any]) -> None:
        if given["caller"] == ME and not given.get("password"):
            self.add_error("password", "Needed, since the request is sent with a token of yours.")
        if given.get("method") not in (*SAFE, None) and not given.get("confirm"):
            self.add_error(
                "confirm", f"Nothing was sent. {given['method']} is really done when it is tried: confirm it."
            )

    def ask_again(self) -> None:
        """Show the form with the confirmation taken back: each try needs its own."""
        if isinstance(self.data, QueryDict):
            shown = self.data.copy()
            shown.pop("confirm", None)
            self.data = shown
