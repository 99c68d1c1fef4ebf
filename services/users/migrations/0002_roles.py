"""``staff`` becomes ``support`` and ``catalogue``: the same people reach the same orders and products.

Nobody becomes an operator by it. The constraint goes on to take the former name, for a process of
the version before that still runs; such a row means the same two roles.
"""

from django.db import migrations, models

NOW = ("catalogue", "support")
KNOWN = ["admin", "support", "catalogue", "operator", "staff"]


def rename(apps, schema_editor):
    User = apps.get_model("users", "User")
    for user in User.objects.filter(roles__contains=["staff"]).only("id", "roles").iterator():
        roles = sorted({*user.roles, *NOW} - {"staff"})
        User.objects.filter(pk=user.pk, roles=user.roles).update(roles=roles)


def rename_back(apps, schema_editor):
    """Whoever held a role without being an administrator was staff."""
    User = apps.get_model("users", "User")
    for user in User.objects.exclude(roles=[]).only("id", "roles").iterator():
        roles = sorted({"staff" if role != "admin" else role for role in user.roles})
        User.objects.filter(pk=user.pk).update(roles=roles)


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]

    operations = [
        migrations.RemoveConstraint(model_name="user", name="users_roles_known"),
        migrations.RunPython(rename, rename_back),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("roles__contained_by", KNOWN)),
                name="users_roles_known",
                violation_error_message="The roles there are: admin, support, catalogue, operator.",
            ),
        ),
    ]
