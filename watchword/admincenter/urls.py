"""The URLs of the admin center."""

from django.urls import path

from watchword.admincenter import documentation, domain_views, settings_views
from watchword.admincenter.applications import views as apps
from watchword.admincenter.groups import views as groups
from watchword.admincenter.mfa import views as mfa
from watchword.admincenter.phones import settings_views as phone_settings
from watchword.admincenter.phones import views as phones
from watchword.admincenter.reports import alerts, health_page, sign_in_log
from watchword.admincenter.users import access_pass_views, action_views, import_views, mailbox_views, send_as_views
from watchword.admincenter.users import views as users

app_name = "admincenter"

urlpatterns = [
    path("", users.active_users, name="home"),
    path("users/", users.active_users, name="users"),
    path("users/new/", users.create, name="create"),
    path("users/import/", import_views.import_file, name="import"),
    path("users/import/sample/<str:kind>.csv", import_views.sample, name="import_sample"),
    path("users/<uuid:user_id>/edit/", users.edit, name="edit"),
    path(
        "users/<uuid:user_id>/app-passwords/<uuid:credential_id>/delete/",
        action_views.delete_app_password,
        name="delete_app_password",
    ),
    path("users/<uuid:user_id>/mailbox/", mailbox_views.mailbox, name="mailbox"),
    path("users/<uuid:user_id>/send-as/", send_as_views.rights, name="send_as"),
    path("users/<uuid:user_id>/access-pass/", access_pass_views.make, name="access_pass"),
    path("users/<uuid:user_id>/<str:name>/", action_views.act, name="act"),
    path("multi-factor/", mfa.listing, name="multi_factor"),
    path("multi-factor/change/", mfa.change, name="multi_factor_change"),
    path("service-settings/", settings_views.service_settings, name="service_settings"),
    path("sign-ins/", sign_in_log.log, name="sign_ins"),
    path("sign-ins.csv", sign_in_log.export, name="sign_ins_csv"),
    path("phone-delivery/", phones.overview, name="phone_delivery"),
    path("phone-delivery/messages/", phones.messages, name="phone_messages"),
    path("phone-delivery/blocked/", phones.blocked, name="phone_blocked"),
    path("phone-delivery/blocked/<int:country_block_id>/reopen/", phone_settings.reopen, name="phone_reopen"),
    path("phone-delivery/test/", phone_settings.test, name="phone_test"),
    path("phone-delivery/rules/", phone_settings.rules, name="phone_rules"),
    path("phone-delivery/shared/", phone_settings.shared, name="phone_shared"),
    path("alerts/", alerts.listing, name="alerts"),
    path("alerts/<int:alert_id>/close/", alerts.close, name="close_alert"),
    path("health/", health_page.health, name="health"),
    path("roles/", settings_views.roles, name="roles"),
    path("docs/", documentation.documentation, name="documentation"),
    path("docs/<path:path>", documentation.documentation, name="documentation"),
    path("domains/", domain_views.domains, name="domains"),
    path("apps/", apps.listing, name="apps"),
    path("apps/new/", apps.gallery, name="app_gallery"),
    path("apps/new/<slug:preset>/", apps.add, name="app_add"),
    path("apps/<uuid:app_id>/", apps.app, name="app"),
    path("apps/<uuid:app_id>/change/", apps.change, name="app_change"),
    path("apps/<uuid:app_id>/secrets/add/", apps.add_secret, name="app_add_secret"),
    path("apps/<uuid:app_id>/secrets/<int:secret_id>/end/", apps.end_secret, name="app_end_secret"),
    path("apps/<uuid:app_id>/<slug:what>/", apps.act, name="app_act"),
    path("groups/", groups.listing, name="groups"),
    path("groups/new/", groups.create, name="group_create"),
    path("groups/<uuid:group_id>/", groups.group, name="group"),
    path("groups/<uuid:group_id>/change/", groups.change, name="group_change"),
    path("groups/<uuid:group_id>/delete/", groups.delete, name="group_delete"),
    path("groups/<uuid:group_id>/members/", groups.add_members, name="group_members"),
    path("groups/<uuid:group_id>/members/<uuid:user_id>/remove/", groups.remove_member, name="group_remove_member"),
]
