from django.urls import path

from atoll.urls import platform_urls
from testproject import views

urlpatterns = platform_urls(
    [
        path("notes", views.NotesView.as_view()),
        path("notes/<int:pk>", views.NoteView.as_view()),
        path("echo", views.EchoView.as_view()),
        path("failing/<str:how>", views.FailingView.as_view()),
        path("failing-django/<str:how>", views.failing_django_view),
        path("form", views.form_view),
        path("async", views.async_view),
    ]
)
