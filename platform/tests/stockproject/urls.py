from django.contrib import admin
from django.http import HttpResponse
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
    # A browser asks for it, and would report that it is missing.
    path("favicon.ico", lambda request: HttpResponse(status=204)),
]
