"""Django in one file: `wsgi` and `asgi` for servers; as a script it is manage.py."""

from __future__ import annotations

import os
import sys

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from f2b_producer.asgi import SendAtShutdown
from tests.servers.apps.reporting import respond

MODULE = "tests.servers.apps.django_app"


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(respond(request.path), content_type="text/plain")


urlpatterns = [re_path("", answer)]

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEBUG=False,
        ROOT_URLCONF=MODULE,
        SECRET_KEY="none",
        WSGI_APPLICATION=f"{MODULE}.wsgi",
    )
    django.setup()

wsgi = get_wsgi_application()
asgi = SendAtShutdown(get_asgi_application())

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", MODULE)
    execute_from_command_line(sys.argv)
