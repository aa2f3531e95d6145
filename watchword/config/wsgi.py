"""The WSGI application, as a WSGI server imports it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "watchword.config.settings")

application = get_wsgi_application()
