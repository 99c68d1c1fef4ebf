"""The parts of the bus's pages in a project with ``atoll.admin``."""

from unfold.contrib.filters.admin import ChoicesDropdownFilter as ChoicesFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput

from atoll.admin import ReadOnlyAdmin, journey_link
from atoll.admin.badges import badge
from atoll.admin.times import TimeFilter

DANGER = ActionVariant.DANGER
FIELD_TEMPLATE = "unfold/helpers/field.html"
REFRESH = "atoll/admin/refresh.js"
STYLES = ("atoll/admin/pages.css",)

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
