import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import gateway.callers


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0006_aggregates"),
    ]

    operations = [
        migrations.CreateModel(
            name="Consumer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="Services get it as X-Consumer-ID: lower-case letters, digits and hyphens.",
                        max_length=63,
                        unique=True,
                        verbose_name="id",
                    ),
                ),
                ("name", models.CharField(help_text="What it is, and whose.", max_length=100)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("admin", "admin"),
                                ("support", "support"),
                                ("catalogue", "catalogue"),
                                ("operator", "operator"),
                            ],
                            max_length=32,
                        ),
                        blank=True,
                        default=list,
                        help_text="Only for routes that ask for a role.",
                        size=None,
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "ordering": ["code"],
            },
        ),
        migrations.CreateModel(
            name="Issuer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Such as keycloak. It stands before the ids of this issuer: keycloak:3d1f…",
                        max_length=31,
                        unique=True,
                    ),
                ),
                (
                    "issuer",
                    models.CharField(
                        help_text="The iss of its tokens, exactly. The gateway fetches this address followed by /.well-known/openid-configuration, and the key set that the document there names.",
                        max_length=500,
                        unique=True,
                    ),
                ),
                (
                    "jwks_url",
                    models.CharField(
                        blank=True,
                        help_text="Only for an issuer without that document: the gateway fetches this address instead.",
                        max_length=500,
                        verbose_name="key set",
                    ),
                ),
                (
                    "audience",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        help_text="A token must be for one of them (aud), separated by commas. Not the id of a web page's client: id tokens would be good as access tokens.",
                        size=None,
                    ),
                ),
                (
                    "algorithms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=8),
                        default=gateway.callers.default_algorithms,
                        size=None,
                    ),
                ),
                ("id_claim", models.CharField(default="sub", max_length=200, verbose_name="claim of the id")),
                (
                    "roles_claim",
                    models.CharField(
                        blank=True,
                        help_text="Such as realm_access.roles (Keycloak), roles (Entra ID), https://example.com/roles (Auth0).",
                        max_length=200,
                        verbose_name="claim of the roles",
                    ),
                ),
                ("role_names", models.JSONField(blank=True, default=dict, verbose_name="roles")),
                (
                    "bare_ids",
                    models.BooleanField(
                        default=False,
                        help_text="X-User-ID without the name before it. Only where no other issuer, and not our users service, can have the same id for somebody else.",
                        verbose_name="ids stand alone",
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.AlterField(
            model_name="requestlog",
            name="user_id",
            field=models.CharField(blank=True, db_index=True, max_length=320),
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key_id", models.CharField(editable=False, max_length=8, unique=True)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("label", models.CharField(blank=True, max_length=100)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "consumer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="keys",
                        to="gateway.consumer",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "methods",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=7), size=None
                    ),
                ),
                (
                    "consumer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="gateway.consumer",
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="grants", to="gateway.route"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("consumer", "route"),
                        name="grant_once_per_route",
                        violation_error_message="Name each route once.",
                    )
                ],
            },
        ),
    ]
