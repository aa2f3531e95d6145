"""The URLs of a person's own pages."""

from django.urls import path

from watchword.portal import app_password_views, app_views, language, not_me, search, views, warning_views

app_name = "portal"

urlpatterns = [
    path("", views.home, name="home"),
    path("security/", views.security, name="security"),
    path("app-passwords/", views.app_passwords, name="app_passwords"),
    path("app-passwords/<uuid:credential_id>/pause/", app_password_views.pause, name="pause"),
    path("app-passwords/<uuid:credential_id>/resume/", app_password_views.resume, name="resume"),
    path("app-passwords/<uuid:credential_id>/limits/", app_password_views.limits, name="limits"),
    path("apps/", app_views.apps, name="apps"),
    path("apps/sign-ins/<uuid:sign_in_id>/end/", app_views.end, name="app_end"),
    path("apps/<uuid:app_id>/withdraw/", app_views.withdraw, name="app_withdraw"),
    path("language/", language.choose, name="language"),
    path("warnings/", warning_views.warnings, name="warnings"),
    path("not-me/close/", not_me.close, name="not_me_close"),
    path("not-me/", not_me.not_me, name="not_me"),
    path("activity/", views.activity, name="activity"),
    path("sessions/<uuid:session_id>/end/", views.end_session, name="end_session"),
    path("sessions/end-others/", views.end_other_sessions, name="end_other_sessions"),
    path("settings/", search.search, name="settings_search"),
    path(".well-known/change-password", views.change_password, name="well_known_change_password"),
]
