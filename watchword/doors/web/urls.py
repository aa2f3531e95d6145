"""The addresses of the browser's door."""

from django.urls import path

from watchword.doors.web.views import access_passes, again, carriers, conversation, methods, passwords, start

app_name = "web"

urlpatterns = [
    path("sign-in/", start.name, name="sign_in"),
    path("sign-in/password/", conversation.password, name="password"),
    path("sign-in/prove/", conversation.prove, name="prove"),
    path("sign-in/pass/", access_passes.access_pass, name="access_pass"),
    path("sign-in/send/", conversation.send, name="send"),
    path("sign-in/register/", methods.register, name="register"),
    path("sign-in/confirm/", again.confirm, name="confirm"),
    path("sign-in/state/", conversation.state, name="code_state"),
    path("sign-out/", start.sign_out, name="sign_out"),
    path("setup", start.set_up, name="set_up"),
    path("methods/add/<str:kind>/", methods.add, name="add"),
    path("methods/add/<str:kind>/code/", methods.add_code, name="add_code"),
    path("methods/remove/<uuid:credential_id>/", methods.remove, name="remove"),
    path("carriers/<slug:channel>/<slug:token>/", carriers.receipts_of_channel, name="channel_receipts"),
    path("carriers/<slug:channel>/<slug:delivery_id>/<slug:token>/", carriers.receipt, name="receipt"),
    path("carriers/<slug:channel>/<slug:delivery_id>/<slug:token>/voice/", carriers.voice, name="voice"),
    path("password/", passwords.change, name="change_password"),
    path("register/<str:token>/", access_passes.link, name="register_link"),
    path("invitation/<str:token>/", passwords.invitation, name="invitation"),
]
