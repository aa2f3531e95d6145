from django.db import migrations, models


class Migration(migrations.Migration):
    """Only an index: the previous release goes on."""

    dependencies = [
        ('signin', '0007_mailbox_of_a_revocation'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='revocation',
            index=models.Index(fields=['user_id', 'at'], name='revocation_of_person'),
        ),
    ]
