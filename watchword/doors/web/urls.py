"""The URLs of the browser's door."""

from django.urls import path

from watchword.doors.web.views import (
    access_pass,
    begin,
    gateway_callbacks,
    methods,
    passwords,
    reauthentication,
    stages,
)

app_name = "web"

urlpatterns = [
    path("sign-in/", begin.name, name="sign_in"),
    path("sign-in/password/", stages.password, name="password"),
    path("sign-in/prove/", stages.prove, name="prove"),
    path("sign-in/pass/", access_pass.access_pass, name="access_pass"),
    path("sign-in/send/", stages.send, name="send"),
    path("sign-in/register/", methods.register, name="register"),
    path("sign-in/confirm/", reauthentication.confirm, name="confirm"),
    path("sign-in/state/", stages.state, name="code_state"),
    path("sign-out/", begin.sign_out, name="sign_out"),
    path("setup", begin.set_up, name="set_up"),
    path("methods/add/<str:kind>/", methods.add, name="add"),
    path("methods/add/<str:kind>/code/", methods.add_code, name="add_code"),
    path("methods/remove/<uuid:credential_id>/", methods.remove, name="remove"),
    path("gateways/<slug:gateway>/<slug:token>/", gateway_callbacks.receipts_of_gateway, name="gateway_receipts"),
    path("gateways/<slug:gateway>/<slug:delivery_id>/<slug:token>/", gateway_callbacks.receipt, name="receipt"),
    path("gateways/<slug:gateway>/<slug:delivery_id>/<slug:token>/voice/", gateway_callbacks.voice, name="voice"),
    path("password/", passwords.change, name="change_password"),
    path("register/", access_pass.link, name="register_link"),
    path("invitation/", passwords.invitation, name="invitation"),
]
