"""The look of the bus's pages: unfold's in a project with ``atoll.admin``, else that of Django's admin."""

from typing import TYPE_CHECKING

from django.apps import apps

if TYPE_CHECKING or apps.is_installed("atoll.admin"):
    from atoll.bus.admin.unfolded import (
        DANGER,
        FIELD_TEMPLATE,
        REFRESH,
        STYLES,
        ActionForm,
        ChoicesFilter,
        ReadOnlyAdmin,
        Textarea,
        TextInput,
        TimeFilter,
        action,
        badge,
        journey_link,
    )
else:
    from atoll.bus.admin.plain import (
        DANGER,
        FIELD_TEMPLATE,
        REFRESH,
        STYLES,
        ActionForm,
        ChoicesFilter,
        ReadOnlyAdmin,
        Textarea,
        TextInput,
        TimeFilter,
        action,
        badge,
        journey_link,
    )

__all__ = [
    "DANGER",
    "FIELD_TEMPLATE",
    "REFRESH",
    "STYLES",
    "ActionForm",
    "ChoicesFilter",
    "ReadOnlyAdmin",
    "TextInput",
    "Textarea",
    "TimeFilter",
    "action",
    "badge",
    "journey_link",
]
