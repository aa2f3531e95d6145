"""Templates of Postfix's and Exim's configuration; ``server_config`` replaces the names between at signs."""

POSTFIX = """\
# Watchword answers who may send. Add to main.cf; the smtpd that takes mail from people must see it.

smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = @AUTH@
smtpd_sasl_security_options = noanonymous
smtpd_sasl_tls_security_options = noanonymous

# Passwords only over TLS.
smtpd_tls_auth_only = yes

# Who has signed in may send anywhere, everybody else only to us.
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination

# Whoever has signed in writes as themselves, by each of their names, and as the addresses that they were given.
# This is about the sender of the envelope; what a mail shows as From: is not looked at (a milter could).
smtpd_sender_login_maps = socketmap:@SENDERS@:@MAP@
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch

# Dovecot 2.3 delivers to no address with letters outside ASCII before the @: it is told an ASCII form of it, which
# is known as the same address. Maps of yours go before this one.
virtual_alias_maps = socketmap:@SENDERS@:@ASCII_MAP@

# Asked at each message: a program that signed in before its access ended sends nothing more.
smtpd_data_restrictions = check_policy_service @POLICY@

# The daemon's sockets must be readable for Postfix's own user: WATCHWORD_MAIL_SOCKET_OWNER=:postfix
# Where smtpd, cleanup and rewrite run in a chroot (the y in master.cf on Debian), all three must, and the sockets'
# folder must lie in it, for example
# WATCHWORD_MAIL_SOCKET_DIRECTORY=/var/spool/postfix/watchword and here watchword/auth, unix:/watchword/socketmap
# and unix:watchword/policy,
# or let the daemon listen with WATCHWORD_MAIL_LISTEN=127.0.0.1:1900 and print this file anew.
"""

EXIM = """\
# Watchword answers who may send. Write below  begin authenticators:   .include @FILE@
# On Debian with the split configuration put this file into /etc/exim4/conf.d/auth/ instead.

watchword_plain:
  driver = dovecot
  public_name = PLAIN
  server_socket = @AUTH@
  server_set_id = $auth1
  # Passwords only over TLS, or from this machine itself.
  server_advertise_condition = ${if or{{def:tls_in_cipher}{match_ip{$sender_host_address}{<; 127.0.0.0/8 ; ::1}}}}

watchword_login:
  driver = dovecot
  public_name = LOGIN
  server_socket = @AUTH@
  server_set_id = $auth1
  server_advertise_condition = ${if or{{def:tls_in_cipher}{match_ip{$sender_host_address}{<; 127.0.0.0/8 ; ::1}}}}

# The daemon's sockets must be readable for Exim's own user: WATCHWORD_MAIL_SOCKET_OWNER=:Debian-exim
"""

EXIM_ACL = r"""# Whoever has signed in writes as themselves, and only for as long as they have access.
# Write below  begin acl:   .include @FILE@
# and in the main section, or call them from ACLs of yours by  require acl = NAME:
#   acl_smtp_mail = watchword_sender
#   acl_smtp_predata = watchword_message
# On Debian with the split configuration put this file into /etc/exim4/conf.d/acl/ instead of including it.

# This is about the sender of the envelope; what a mail shows as From: is not looked at.
watchword_sender:
  accept
    ! authenticated = *
  accept
    senders = :
  warn
    set acl_m_watchword = ${readsocket{@SOCKETMAP@}{${strlen:@MAP@ $sender_address}:@MAP@ $sender_address,}{5s}{ }{}}
  defer
    message = Your sender can't be checked now, try again later
    condition = ${if !match{$acl_m_watchword}{\N^\d+:(OK|NOTFOUND) \N}}
  deny
    message = This sender address is not yours
    condition = ${if !inlisti{$authenticated_id}{<, ${sg{$acl_m_watchword}{\N^\d+:\w+ (.*),$\N}{\$1}}}}
  accept

# Asked at each message: a program that signed in before its access ended sends nothing more.
watchword_message:
  accept
    ! authenticated = *
  warn
    set acl_m_watchword = ${readsocket{@POLICY@}{request=smtpd_access_policy\nsasl_username=$authenticated_id\n\
      client_address=$sender_host_address\nprocess=$pid\n\n}{5s}{ }{}}
  defer
    message = Your sign-in has ended or can't be checked now, sign in again
    condition = ${if !eq{${sg{$acl_m_watchword}{\N\s+$\N}{}}}{action=DUNNO}}
  accept
"""
