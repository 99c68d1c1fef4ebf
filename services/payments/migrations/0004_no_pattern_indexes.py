"""The books of the sandbox without indexes for LIKE: nobody searches them by a prefix."""

from django.db import migrations

CREATE = 'CREATE INDEX "payments_sandboxcharge_{name}_like" ON "payments_sandboxcharge" ("{column}" varchar_pattern_ops)'


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0003_money"),
    ]

    operations = [
        migrations.RunSQL(
            'DROP INDEX IF EXISTS "payments_sandboxcharge_key_dbaf1d9a_like"',
            CREATE.format(name="key_dbaf1d9a", column="key"),
        ),
        migrations.RunSQL(
            'DROP INDEX IF EXISTS "payments_sandboxcharge_memo_9c181187_like"',
            CREATE.format(name="memo_9c181187", column="memo"),
        ),
    ]
