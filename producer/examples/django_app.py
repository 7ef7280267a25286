"""Django behind one load balancer: F2B_QUEUE=https://sqs… gunicorn django_app:application.

Under ASGI: uvicorn django_app:asgi_application --no-proxy-headers.
In a project, MIDDLEWARE and F2B stand in settings.py, and the rest where it always stands.
"""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from f2b_producer import Producer
from f2b_producer.asgi import SendAtShutdown

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["f2b_producer.django.F2BMiddleware", "django.middleware.common.CommonMiddleware"],
    F2B={
        "producer": Producer(os.environ["F2B_QUEUE"], message_group_id="shop"),
        "statuses": {401: "login", 404: "scan"},
        "trusted_hops": 1,
    },
)


def login(request: HttpRequest) -> HttpResponse:
    """Take a password."""
    if request.GET.get("password") != os.environ.get("PASSWORD", "correct horse"):
        return HttpResponse("wrong password", status=401)  # reported for its status
    return HttpResponse("hello")


def trap(request: HttpRequest) -> HttpResponse:
    """Wait for those who search for what is not there."""
    request.f2b.report("scan", note="wp-login.php", weight=5)  # reported by the view itself
    return HttpResponse()


def health(_request: HttpRequest) -> JsonResponse:
    """Say whether reports arrive."""
    return JsonResponse({"f2b": settings.F2B["producer"].health().ok})


urlpatterns = [path("login", login), path("wp-login.php", trap), path("health", health)]
application = get_wsgi_application()
asgi_application = SendAtShutdown(get_asgi_application())  # ASGI servers run no exit hooks
