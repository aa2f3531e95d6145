"""The test site's configuration of its mail servers, besides the files that Watchword prints."""

_DOVECOT_2_3 = """\
auth_debug = yes
mail_home = {folder}/mail/%d/%n
mail_location = maildir:~/Maildir
"""

_DOVECOT_2_4 = """\
log_debug = category=auth
mail_home = {folder}/mail/%{{user | domain}}/%{{user | username}}
mail_driver = maildir
mail_path = ~/Maildir
"""

_INCLUDES = """\
!include {folder}/dovecot/watchword.conf.ext
!include {folder}/dovecot/watchword-submission.conf.ext
!include {folder}/dovecot/watchword-sieve.conf.ext
"""

_LOGIN_SERVICE = """\
service NAME-login {{
  chroot =
  inet_listener NAME {{
    port = {NAME}
  }}
  inet_listener NAMEs {{
    port = 0
  }}
}}
"""
_LOGIN_SERVICES = "".join(_LOGIN_SERVICE.replace("NAME", name) for name in ("imap", "pop3", "submission"))

_DOVECOT = (
    """\
base_dir = {folder}/dovecot/run
state_dir = {folder}/dovecot/state
log_path = {folder}/dovecot.log
protocols = imap pop3 submission sieve
listen = 127.0.0.1
ssl = no
auth_failure_delay = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
mail_uid = nobody
mail_gid = nogroup
postmaster_address = postmaster@harbour.example
hostname = mail.harbour.example
submission_relay_port = {relay}
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service auth {{
  unix_listener auth-userdb {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
  # Without it every failure makes this address wait longer, and the tests with it.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""
    + _LOGIN_SERVICES
)

DOVECOT_REST = {
    "2.3": _INCLUDES + _DOVECOT_2_3 + _DOVECOT,
    "2.4": "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n" + _INCLUDES + _DOVECOT_2_4 + _DOVECOT,
}
"""The rest of Dovecot's configuration, by its version."""

POSTFIX_REST = """\
compatibility_level = 3.6
queue_directory = {folder}/postfix/spool
data_directory = {folder}/postfix/data
maillog_file = /dev/stdout
maillog_file_prefixes = /dev, /var
myhostname = mail.harbour.example
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks =
alias_maps =
virtual_mailbox_domains = harbour.example
virtual_transport = dovecot
default_transport = error:nothing leaves this machine
# Postfix lets an smtpd that found nobody to ask for passwords wait a minute before it starts again.
service_throttle_time = 1s
"""

POSTFIX_SERVICES = """\
127.0.0.1:{smtp} inet n - n - - smtpd
  -o smtpd_tls_auth_only=no
127.0.0.1:{relay} inet n - n - - smtpd
  -o smtpd_authorized_xclient_hosts=127.0.0.1
  -o smtpd_tls_auth_only=no
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
dovecot unix - n n - - pipe
  flags=DRhu user=nobody:nogroup argv={lda} -c {folder}/dovecot/dovecot.conf -f ${{sender}} -d ${{recipient}}
"""
