"""``/users``: accounts."""

from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.api.idempotency import IdempotentRequest, idempotent
from atoll.api.renderers import json_answer
from atoll.identity.drf import IsSignedIn, IsSignedInOrService, IsSupport, principal
from services.users import permissions
from services.users.api.email_change import check_email_request
from services.users.api.filters import UserFilter
from services.users.api.proof import require_current_password
from services.users.api.serializers import (
    NewUserSerializer,
    OwnAccountSerializer,
    OwnerSerializer,
    UserChangeSerializer,
    UserSerializer,
)
from services.users.models import User
from services.users.passwords import require_good_password
from services.users.selectors import account_as_shown, accounts, own_account_as_shown
from services.users.usecases.delete_user import delete_user
from services.users.usecases.register_user import prepare_user, register_user
from services.users.usecases.update_user import Changes, update_user


class UsersView(GenericAPIView[User]):
    permission_classes = (IsSupport,)
    serializer_class = UserSerializer
    filterset_class = UserFilter
    queryset = User.objects.none()

    @extend_schema(responses=UserSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(accounts()))
        return self.get_paginated_response(UserSerializer(page, many=True).data)

    @extend_schema(request=NewUserSerializer, responses={201: UserSerializer})
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        serializer = NewUserSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        if given.get("roles"):
            permissions.check_roles_change(principal(request), None)
        user = prepare_user(**given)
        with request.idempotency.transaction() as keep:
            data = UserSerializer(register_user(user)).data
            return keep(Response(data, status=201, headers={"Location": f"/users/{user.id}"}))


class UserView(APIView):
    def get_permissions(self) -> list[BasePermission]:
        return [IsSignedInOrService() if self.request.method == "GET" else IsSignedIn()]

    @extend_schema(responses=UserSerializer)
    def get(self, request: Request, user_id: UUID) -> HttpResponseBase:
        """The owner gets the fields of ``/users/me``."""
        caller = principal(request)
        permissions.check_reading(caller, user_id)
        if permissions.is_self(caller, user_id):
            return json_answer(own_account_as_shown(user_id))
        return json_answer(account_as_shown(user_id))

    @extend_schema(request=UserChangeSerializer, responses=UserSerializer)
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Another ``email`` of the own account holds when it is confirmed; the present one withdraws it."""
        caller = principal(request)
        user = permissions.changeable_account(caller, user_id)
        serializer = UserChangeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        changes = self._allowed(request, user, dict(serializer.validated_data))
        shown = OwnAccountSerializer if permissions.is_self(caller, user_id) else UserSerializer
        return Response(shown(update_user(user_id, changes)).data)

    @extend_schema(request=OwnerSerializer, responses={204: None})
    def delete(self, request: Request, user_id: UUID) -> Response:
        caller = principal(request)
        user = permissions.changeable_account(caller, user_id)
        serializer = OwnerSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if permissions.must_show_password(caller, user_id):
            shown = serializer.validated_data.get("current_password")
            require_current_password(request, user, shown, to="delete the account")
        delete_user(user_id)
        return Response(status=204)

    def _allowed(self, request: Request, user: User, given: dict[str, Any]) -> Changes:
        """The changes. Raises NotAllowed unless the caller may make all of them."""
        caller = principal(request)
        if "roles" in given:
            permissions.check_roles_change(caller, user.id)
        if "is_active" in given:
            permissions.check_active_change(caller, user.id)
        if "password" in given:
            permissions.check_password_change(caller, user.id)
        email = given.get("email") if given.get("email") != user.email else None
        if permissions.must_show_password(caller, user.id) and (email or "password" in given):
            to = "change the password" if "password" in given else "change the email"
            require_current_password(request, user, given.get("current_password"), to=to)
        own_email = given.get("email") if permissions.is_self(caller, user.id) else None
        new_hash = self._new_password(user, given["password"]) if "password" in given else None
        if own_email and email:
            check_email_request(request, user)
        return Changes(
            email=email if own_email is None else None,
            requested_email=own_email,
            name=given.get("name"),
            roles=frozenset(given["roles"]) if "roles" in given else None,
            is_active=given.get("is_active"),
            password_hash=new_hash,
        )

    def _new_password(self, user: User, password: str) -> str:
        require_good_password(password, user)
        return make_password(password)


class OwnAccountView(APIView):
    permission_classes = (IsSignedIn,)

    @extend_schema(responses=OwnAccountSerializer)
    def get(self, request: Request) -> HttpResponseBase:
        return json_answer(own_account_as_shown(principal(request).id))
