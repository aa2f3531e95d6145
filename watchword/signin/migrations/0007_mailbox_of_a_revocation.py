from django.db import migrations, models


class Migration(migrations.Migration):
    """The column keeps its name, so that the previous release goes on reading it."""

    dependencies = [
        ('signin', '0006_wrong_codes_of_an_attempt'),
    ]

    operations = [
        migrations.AlterField(
            model_name='revocation',
            name='sign_in_name',
            field=models.CharField(db_column='sign_in_name', max_length=254),
        ),
        migrations.RenameField(
            model_name='revocation',
            old_name='sign_in_name',
            new_name='mailbox',
        ),
    ]
