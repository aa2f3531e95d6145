"""The test site's configuration of its mail servers, besides the files that Watchword prints."""

DOVECOT_REST = """\
!include {folder}/dovecot/watchword.conf.ext
base_dir = {folder}/dovecot/run
state_dir = {folder}/dovecot/state
log_path = {folder}/dovecot.log
auth_debug = yes
protocols = imap pop3
listen = 127.0.0.1
ssl = no
auth_failure_delay = 0
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
first_valid_uid = 1
mail_uid = nobody
mail_gid = nogroup
mail_home = {folder}/mail/%d/%n
mail_location = maildir:~/Maildir
postmaster_address = postmaster@harbour.example
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
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
