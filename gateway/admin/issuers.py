"""The issuers whose tokens the gateway believes, and a look at what each of them publishes now."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from atoll.admin.badges import badge
from atoll.admin.confirming import CONFIRMED, question
from atoll.identity.foreign.discovery import discover, discovery_url
from atoll.identity.foreign.issuers import ALGORITHMS
from atoll.identity.foreign.outside import NotFetched
from atoll.identity.foreign.signing_keys import examine
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, ROLES, SUPPORT
from gateway.admin.affected import of_issuers
from gateway.admin.publishing import PublishingAdmin
from gateway.callers import Issuer
from gateway.edge.config import issuer_rules

CHECK = "check"
STOPS = "Tokens of this issuer are refused as soon as this is published."


class RoleLines(forms.CharField):
    """Reads lines into ``{"shop-admin": "operator"}``. Raises ValidationError for a line without ``=``."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": 4})
        super().__init__(**{"required": False, "widget": widget} | options)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{theirs} = {ours}" for theirs, ours in sorted(value.items()))
        return value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for line in filter(str.strip, (super().to_python(value) or "").splitlines()):
            theirs, sign, ours = (part.strip() for part in line.rpartition("="))
            if not sign or not theirs or theirs in found:
                raise ValidationError(f"{line.strip()!r} is no line such as shop-admin = operator, once.")
            found[theirs] = ours
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True


class IssuerForm(forms.ModelForm):
    algorithms = forms.MultipleChoiceField(
        choices=[(name, name) for name in ALGORITHMS], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    role_names = RoleLines(
        label="Roles",
        help_text=f"Their name = one of {', '.join(ROLES)}; one per line. Other roles are dropped.",
    )

    class Meta:
        model = Issuer
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the admin name them
        widgets = {"audience": UnfoldAdminTextInputWidget}


@admin.register(Issuer)
class IssuerAdmin(PublishingAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR), "check": (OPERATOR,)}
    form = IssuerForm
    list_display = ("name", "issuer", "audiences", "state", "updated_at")
    list_filter = ("enabled",)
    search_fields = ("name", "issuer")
    search_help_text = "Name or address"
    ask_before_off: ClassVar = {"enabled": STOPS}
    readonly_fields = ("updated_at",)
    actions_detail = ("check_now",)
    fieldsets = (
        (None, {"fields": ("name", "issuer", "jwks_url", "enabled")}),
        ("Which tokens are good", {"fields": ("audience", "algorithms")}),
        ("Whom they name", {"fields": ("id_claim", "bare_ids", "roles_claim", "role_names")}),
        (None, {"fields": ("updated_at",)}),
    )

    @admin.display(description="audience")
    def audiences(self, issuer: Issuer) -> str:
        return ", ".join(issuer.audience)

    @badge(description="state", ordering="enabled", colours={"on": "success", "off": "danger"})
    def state(self, issuer: Issuer) -> str:
        return "on" if issuer.enabled else "off"

    def affected(self, rows: QuerySet[Issuer]) -> list[str]:
        return of_issuers(rows)

    def has_check_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, CHECK)

    @action(description="Check now…", permissions=[CHECK], url_path="check", icon="network_check")
    def check_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then fetch what the gateway would fetch, and say what it found."""
        back_to = reverse("admin:gateway_issuer_change", args=[object_id])
        issuer = Issuer.objects.filter(pk=object_id).first()
        if issuer is None:
            return HttpResponseRedirect(reverse("admin:gateway_issuer_changelist"))
        if request.POST.get(CONFIRMED) != CHECK:
            return question(
                self,
                request,
                answer=CHECK,
                warning="This machine fetches these addresses now. Nothing is changed.",
                button="Check",
                named=places(issuer),
            )
        for level, text in report(issuer):
            messages.add_message(request, level, text)
        return HttpResponseRedirect(back_to)


def places(issuer: Issuer) -> list[str]:
    """The addresses that a check fetches."""
    if issuer.jwks_url:
        return [issuer.jwks_url]
    return [discovery_url(issuer.issuer), "the key set that this document names (jwks_uri)"]


def report(issuer: Issuer) -> list[tuple[int, str]]:
    """What the issuer publishes now, as messages with their levels. It blocks while it fetches."""
    try:
        found = discover(issuer.compiled(), issuer_rules())
        keys, refused = examine(found.jwks)
    except NotFetched as error:
        return [(messages.ERROR, str(error))]
    except ValueError as error:
        return [(messages.ERROR, f"The key set cannot be used: {error}.")]
    chosen = frozenset(issuer.algorithms)
    usable = {kid: sorted(key.algorithms & chosen) for kid, key in keys.items() if key.algorithms & chosen}
    told = [(messages.SUCCESS, f"The key set is at {found.jwks_url}.")]
    told += [(messages.SUCCESS, f"Key {kid}: {', '.join(names)}.") for kid, names in usable.items()]
    if not usable:
        told.append((messages.ERROR, f"No key there is for {', '.join(sorted(chosen))}."))
    others = [kid for kid in keys if kid not in usable]
    told += [(messages.WARNING, f"Key {kid} is for other algorithms.") for kid in others]
    told += [(messages.WARNING, f"Not usable: {reason}.") for reason in refused]
    missing = [name for name in found.algorithms if name in ALGORITHMS and name not in chosen]
    if missing:
        told.append((messages.INFO, f"It can sign with {', '.join(missing)}, too."))
    return told
