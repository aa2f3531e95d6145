"""The addresses of the admin center."""

from django.urls import path

from watchword.admincenter.views import (
    access_passes,
    acts,
    alerts,
    domains,
    files,
    mailboxes,
    multi_factor,
    people,
    phone_changes,
    phone_delivery,
    send_as,
    settings,
    sign_ins,
)

app_name = "admincenter"

urlpatterns = [
    path("", people.active_users, name="home"),
    path("users/", people.active_users, name="users"),
    path("users/new/", people.create, name="create"),
    path("users/import/", files.import_file, name="import"),
    path("users/import/sample/<str:kind>.csv", files.sample, name="import_sample"),
    path("users/<uuid:user_id>/edit/", people.edit, name="edit"),
    path(
        "users/<uuid:user_id>/app-passwords/<uuid:credential_id>/delete/",
        acts.delete_app_password,
        name="delete_app_password",
    ),
    path("users/<uuid:user_id>/mailbox/", mailboxes.mailbox, name="mailbox"),
    path("users/<uuid:user_id>/send-as/", send_as.rights, name="send_as"),
    path("users/<uuid:user_id>/access-pass/", access_passes.make, name="access_pass"),
    path("users/<uuid:user_id>/<str:name>/", acts.act, name="act"),
    path("multi-factor/", multi_factor.listing, name="multi_factor"),
    path("multi-factor/change/", multi_factor.change, name="multi_factor_change"),
    path("service-settings/", settings.service_settings, name="service_settings"),
    path("sign-ins/", sign_ins.log, name="sign_ins"),
    path("sign-ins.csv", sign_ins.export, name="sign_ins_csv"),
    path("phone-delivery/", phone_delivery.overview, name="phone_delivery"),
    path("phone-delivery/messages/", phone_delivery.messages, name="phone_messages"),
    path("phone-delivery/blocked/", phone_delivery.blocked, name="phone_blocked"),
    path("phone-delivery/blocked/<int:closure_id>/reopen/", phone_changes.reopen, name="phone_reopen"),
    path("phone-delivery/test/", phone_changes.test, name="phone_test"),
    path("phone-delivery/rules/", phone_changes.rules, name="phone_rules"),
    path("phone-delivery/shared/", phone_changes.shared, name="phone_shared"),
    path("alerts/", alerts.listing, name="alerts"),
    path("alerts/<int:alert_id>/close/", alerts.close, name="close_alert"),
    path("roles/", settings.roles, name="roles"),
    path("domains/", domains.domains, name="domains"),
]
