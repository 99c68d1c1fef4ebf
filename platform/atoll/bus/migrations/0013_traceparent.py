"""Messages keep the place in a trace at which they were published, and the span that sent them.

The version before writes rows without it: the database fills in the empty text.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("atoll_bus", "0012_no_old_marks")]

    operations = [
        migrations.AddField(
            model_name="inbox",
            name="traceparent",
            field=models.TextField(db_default="", help_text="The span that sent it (W3C Trace Context)."),
        ),
        migrations.AddField(
            model_name="outbox",
            name="traceparent",
            field=models.TextField(db_default="", help_text="Where in a trace it was published."),
        ),
    ]
