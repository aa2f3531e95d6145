"""Contact mail and the directory's phone move into sealed columns; a release that doesn't know them goes on meanwhile."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from watchword.directory.sealed_field import SealedTextField


def seal(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Seal a copy of each. The clear ones are taken away by the worker of this release, once it runs."""
    User = apps.get_model("directory", "User")
    people = User.objects.exclude(contact_mail_in_clear="", directory_phone_in_clear="").only(
        "pk", "contact_mail_in_clear", "directory_phone_in_clear"
    )
    for user in people.iterator(chunk_size=500):
        user.contact_mail, user.directory_phone = user.contact_mail_in_clear, user.directory_phone_in_clear
        user.save(update_fields=["contact_mail", "directory_phone"])


class Migration(migrations.Migration):
    """Adds the sealed columns, and keeps the clear ones under other names."""

    dependencies = [("directory", "0002_organisation_fraud_locks_organisation_language_and_more")]

    operations = [
        migrations.AlterField(
            "user", "contact_mail", models.CharField(max_length=254, db_column="contact_mail", blank=True, default="")
        ),
        migrations.RenameField("user", "contact_mail", "contact_mail_in_clear"),
        migrations.AlterField(
            "user",
            "directory_phone",
            models.CharField(max_length=40, db_column="directory_phone", blank=True, default=""),
        ),
        migrations.RenameField("user", "directory_phone", "directory_phone_in_clear"),
        migrations.AddField(
            "user",
            "contact_mail",
            SealedTextField(
                verbose_name="contact mail",
                purpose="directory.contact_mail",
                db_column="contact_mail_sealed",
                blank=True,
                default="",
                db_default=b"",
            ),
        ),
        migrations.AddField(
            "user",
            "directory_phone",
            SealedTextField(
                verbose_name="phone in the directory",
                purpose="directory.phone",
                db_column="directory_phone_sealed",
                blank=True,
                default="",
                db_default=b"",
            ),
        ),
        migrations.RunPython(seal, migrations.RunPython.noop),
    ]
