"""What administrators filled in is sealed for its hour; a release that doesn't seal it goes on meanwhile."""

from django.db import migrations, models

from watchword.directory.sealed_field import SealedTextField


class Migration(migrations.Migration):
    """Adds the sealed column, and keeps the clear one under another name."""

    dependencies = [("admincenter", "0001_initial")]

    operations = [
        migrations.AlterField("draft", "values", models.JSONField(db_column="values", default=dict)),
        migrations.RenameField("draft", "values", "values_in_clear"),
        migrations.AddField(
            "draft", "sealed_values", SealedTextField(purpose="admincenter.draft", default="", db_default=b"")
        ),
    ]
