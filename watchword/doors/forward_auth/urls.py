"""The URLs of this door, apart from the check of each request, which ``answers`` gives before all others."""

from django.urls import path

from watchword.doors.forward_auth import views

app_name = "forward_auth"

urlpatterns = [
    path("forward-auth/sign-in", views.sign_in, name="sign_in"),
    path("forward-auth/<str:proxy>/start", views.start, name="start"),
    path("forward-auth/<str:proxy>/return", views.take_ticket, name="return"),
]
