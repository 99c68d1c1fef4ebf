"""Routes name the roles they ask for. What asked for staff asks for what staff has become."""

import django.contrib.postgres.fields
from django.db import migrations, models

FOR_ROLES = ("staff", "public_read_staff_write")


def name_roles(apps, schema_editor):
    Route = apps.get_model("gateway", "Route")
    asked = Route.objects.filter(access__in=FOR_ROLES, roles=[])
    asked.filter(name="products", shipped=True, service="product-service").update(roles=["catalogue"])
    asked.filter(roles=[]).update(roles=["support", "catalogue"])


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_routes_publications_request_log")]

    operations = [
        migrations.AddField(
            model_name="route",
            name="roles",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32),
                blank=True,
                db_default=models.Value("{}"),
                default=list,
                help_text="Where roles are asked for: who may. An administrator always may.",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="route",
            name="access",
            field=models.CharField(
                choices=[
                    ("public", "Anyone"),
                    ("signed_in", "Signed in"),
                    ("staff", "The roles below"),
                    ("public_read_staff_write", "Reading anyone, writing the roles below"),
                    ("public_read_signed_in_write", "Reading anyone, writing signed in"),
                ],
                default="signed_in",
                max_length=30,
                verbose_name="who",
            ),
        ),
        migrations.RunPython(name_roles, migrations.RunPython.noop),
    ]
