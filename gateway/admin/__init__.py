"""Routes, rules, issuers, consumers, publications and the request log, for support and operators."""

from gateway.admin import pages
from gateway.admin.aggregates import AggregateAdmin
from gateway.admin.api_keys import ApiKeyAdmin
from gateway.admin.consumers import ConsumerAdmin
from gateway.admin.cors import CorsSettingsAdmin
from gateway.admin.issuers import IssuerAdmin
from gateway.admin.limit_policies import LimitPolicyAdmin
from gateway.admin.publications import PublicationAdmin
from gateway.admin.request_log import RequestLogAdmin
from gateway.admin.routes import RouteAdmin
from gateway.admin.services import ServiceAdmin

__all__ = [
    "AggregateAdmin",
    "ApiKeyAdmin",
    "ConsumerAdmin",
    "CorsSettingsAdmin",
    "IssuerAdmin",
    "LimitPolicyAdmin",
    "PublicationAdmin",
    "RequestLogAdmin",
    "RouteAdmin",
    "ServiceAdmin",
    "pages",
]
