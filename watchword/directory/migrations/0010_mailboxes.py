from django.db import migrations, models
from django.db.models import F


def keep_where_mail_lies(apps, schema_editor):
    """Mail servers were told the sign-in name until now: there the mail lies."""
    apps.get_model("directory", "User").objects.filter(mailbox=None).update(mailbox=F("sign_in_name"))


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0009_voip_allowed'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='mailbox',
            field=models.CharField(help_text='Its name at the mail servers; set once, see mailboxes.py', max_length=254, null=True, unique=True),
        ),
        migrations.RunPython(keep_where_mail_lies, migrations.RunPython.noop),
    ]
