"""The journal's model gets the journal's name; its table keeps its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_last_known")]

    operations = [
        migrations.AlterModelTable("Event", "registry_event"),
        migrations.RenameModel("Event", "JournalEntry"),
    ]
