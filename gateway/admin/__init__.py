"""Routes, cross-origin rules, publications and the request log, for support and operators."""

from gateway.admin.cors import CorsSettingsAdmin
from gateway.admin.publications import PublicationAdmin
from gateway.admin.request_log import RequestLogAdmin
from gateway.admin.routes import RouteAdmin

__all__ = ["CorsSettingsAdmin", "PublicationAdmin", "RequestLogAdmin", "RouteAdmin"]
