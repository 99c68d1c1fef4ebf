"""The JSON of accounts and tokens."""

from rest_framework import serializers

from atoll.api.fields import ExactBoolean, ExactText
from atoll.api.serializers import StrictSerializer
from services.users.api.fields import Email, Name, Password, Roles
from services.users.models import User
from services.users.selectors import pending_email
from services.users.statements import SHOWN


class UserSerializer(serializers.ModelSerializer[User]):
    """An account in answers. `selectors.account_as_shown` makes that of a read by id itself."""

    roles = serializers.SerializerMethodField()

    def get_roles(self, user: User) -> list[str]:
        """The current names in alphabetical order."""
        return sorted(user.roles_held)

    class Meta:
        model = User
        fields = SHOWN
        read_only_fields = fields


class OwnAccountSerializer(UserSerializer):
    """An account in answers to its owner."""

    pending_email = serializers.SerializerMethodField(
        help_text="The address that the owner asked for and has not confirmed."
    )

    def get_pending_email(self, user: User) -> str | None:
        return pending_email(user.id)

    class Meta:
        model = User
        fields = (*SHOWN, "pending_email")
        read_only_fields = fields


class RegistrationSerializer(StrictSerializer):
    email = Email()
    password = Password()
    name = Name()


class NewUserSerializer(RegistrationSerializer):
    roles = Roles(required=False)


class OwnerSerializer(StrictSerializer):
    current_password = Password(
        required=False,
        help_text="Needed from the owner for a new email, a new password and a deletion.",
    )


class UserChangeSerializer(OwnerSerializer):
    email = Email(required=False)
    name = Name(required=False)
    password = Password(required=False)
    roles = Roles(required=False)
    is_active = ExactBoolean(required=False)


class CredentialsSerializer(StrictSerializer):
    email = ExactText(max_length=254)
    password = Password()


class RefreshSerializer(StrictSerializer):
    refresh_token = ExactText(max_length=8192)


class PasswordResetSerializer(StrictSerializer):
    email = Email()


class MailedTokenSerializer(StrictSerializer):
    token = ExactText(max_length=200)


class NewPasswordSerializer(MailedTokenSerializer):
    password = Password()


class AcceptedSerializer(serializers.Serializer[dict[str, object]]):
    message = serializers.CharField(read_only=True)


class ClientCredentialsSerializer(StrictSerializer):
    client_id = ExactText(max_length=63)
    client_secret = Password()
    grant_type = serializers.ChoiceField(choices=["client_credentials"], required=False)


class TokensSerializer(serializers.Serializer[dict[str, object]]):
    """A pair of tokens; ``expires_in`` is the access token's life in seconds."""

    access_token = serializers.CharField(read_only=True)
    refresh_token = serializers.CharField(read_only=True)
    expires_in = serializers.IntegerField(read_only=True)


class SignedInSerializer(TokensSerializer):
    user = UserSerializer(read_only=True)


class ServiceTokenSerializer(serializers.Serializer[dict[str, object]]):
    access_token = serializers.CharField(read_only=True)
    expires_in = serializers.IntegerField(read_only=True)
