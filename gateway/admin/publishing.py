"""Each save of a route or of the cross-origin rules publishes the routing table, in one transaction."""

from typing import Any, ClassVar

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from atoll.admin import ModelAdmin
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from gateway.edge.routes import snapshot
from gateway.usecases.publish import publish

METHOD_CHOICES = [(method, method) for method in snapshot.METHODS]


class PublishingAdmin(ModelAdmin):
    """Saves and deletes publish. A table that is not valid as a whole undoes the edit."""

    rights: ClassVar[Rights] = {
        "view": (SUPPORT, OPERATOR),
        "add": (OPERATOR,),
        "change": (OPERATOR,),
        "delete": (OPERATOR,),
    }

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().changeform_view(request, *args, **kwargs)
        except snapshot.InvalidConfiguration as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._publish(request)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            super().delete_model(request, obj)
            self._publish(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            self._publish(request)

    def _publish(self, request: HttpRequest) -> None:
        publication = publish(by=request.user.get_username())
        self.message_user(request, f"Published as version {publication.version}.", messages.SUCCESS)
