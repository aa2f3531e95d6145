"""The URLs of the demo."""

from django.urls import path

from watchword.demo import telephone, webmail

app_name = "demo"

urlpatterns = [
    path("telephone/", telephone.show, name="telephone"),
    path("telephone/newest/", telephone.newest, name="telephone_newest"),
    path("telephone/call/<uuid:arrival_id>/", telephone.act, name="telephone_act"),
    path("telephone/call/<uuid:arrival_id>/speech.wav", telephone.speech_of, name="telephone_speech"),
    path("mail/", webmail.inbox, name="mail"),
    path("mail/write/", webmail.write, name="mail_write"),
    path("mail/<str:key>/", webmail.read, name="mail_read"),
]
