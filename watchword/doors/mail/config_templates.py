"""Templates of the mail servers' configuration; ``server_config`` replaces the names between at signs."""

DOVECOT_2_3 = """\
# Watchword answers for passwords and mailboxes. For Dovecot 2.3.
# Add to dovecot.conf:  !include watchword.conf.ext
# Take out every other passdb and userdb: in conf.d/10-auth.conf the lines  !include auth-....conf.ext

auth_mechanisms = plain login

passdb {
  driver = dict
  args = @DICT@
}

userdb {
  driver = dict
  args = @DICT@
}

# Where mail lies and whose files they are stays your choice; for example:
#   mail_uid = vmail
#   mail_gid = vmail
#   mail_home = /var/mail/%d/%n
#   mail_location = maildir:~/Maildir

# Passwords only over TLS, or from this machine itself.
disable_plaintext_auth = yes

# Every sign-in is asked anew, so that what was revoked stops at once.
auth_cache_size = 0

# Nobody signs in as somebody else.
auth_master_user_separator =

# Never make this list empty. Names with other characters are refused before Watchword is asked. Dovecot compares
# octets: the letters at the end hold every octet of UTF-8, so that letters of any script pass. Watchword is exact.
auth_username_chars = "@CHARACTERS@"
"""

DICT = """\
# Watchword: how Dovecot 2.3 asks. This file holds a key: chown root, chmod 600.
# After `watchword keys rotate` print it anew; the old key works until it is taken off the ring.

uri = proxy:@SOCKET@:watchword
# For `doveadm user '*'` and `doveadm -A`.
iterate_prefix = userdb/
default_pass_scheme = plain

# Dovecot writes this line into its log when a look-up fails. So the password is encrypted first.
password_key = sealed/@ID@/%Eu"%{encrypt;algorithm=@ALGORITHM@,key=@KEY@:password}"%s"%r
user_key = userdb/%s/%u
"""

DOVECOT_2_4 = """\
# Watchword answers for passwords and mailboxes. For Dovecot 2.4, which no longer asks a dict for passwords.
# NOT TRIED: written by Dovecot's documentation, never run against a Dovecot 2.4.
# Needs Dovecot's Lua (Debian: dovecot-auth-lua) and LuaSocket (Debian: lua-socket).
# Add to dovecot.conf:  !include watchword.conf.ext     and take out every other passdb and userdb.

auth_mechanisms = plain login

passdb lua {
  lua_file = @SCRIPT@
}

userdb lua {
  lua_file = @SCRIPT@
}

# Passwords only over TLS, or from this machine itself.
auth_allow_cleartext = no

# Every sign-in is asked anew, so that what was revoked stops at once.
auth_cache_size = 0

# Never make this list empty.
auth_username_chars = "@CHARACTERS@"
"""

LUA = """\
-- Watchword: asks the daemon for passwords (Dovecot's authentication protocol) and mailboxes (its dict protocol).
local unix = require("socket.unix")
local mime = require("mime")

local AUTH, DICT = "@AUTH@", "@DICT@"
local SECONDS = 8

local function converse(path, lines, wanted)
  local connection = unix()
  connection:settimeout(SECONDS)
  local answer, failure
  if connection:connect(path) and connection:send(lines) then
    repeat
      answer, failure = connection:receive("*l")
    until not answer or wanted(answer)
  end
  connection:close()
  return answer
end

local function unescape(text)
  local plain = { ["0"] = "\\0", ["1"] = "\\1", t = "\\t", r = "\\r", n = "\\n" }
  return (text:gsub("\\1(.)", function(letter) return plain[letter] or letter end))
end

function auth_password_verify(request, password)
  local response = mime.b64("\\0" .. request.user .. "\\0" .. password)
  local asked = "VERSION\\t1\\t2\\nCPID\\t1\\nAUTH\\t1\\tPLAIN\\tservice=" .. request.service ..
    "\\trip=" .. request.rip .. "\\tresp=" .. response .. "\\n"
  local answer = converse(AUTH, asked, function(line)
    return line:sub(1, 3) == "OK\\t" or line:sub(1, 5) == "FAIL\\t"
  end)
  if answer and answer:sub(1, 3) == "OK\\t" then
    return dovecot.auth.PASSDB_RESULT_OK, { user = unescape(answer:match("\\tuser=([^\\t]*)")) }
  elseif answer and not answer:find("\\ttemp") then
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "refused"
  end
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "try again later"
end

function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "only passwords are checked"
end

function auth_userdb_lookup(request)
  local key = "shared/userdb/" .. request.user
  local answer = converse(DICT, "H4\\t0\\t0\\t\\twatchword\\nL" .. key .. "\\t\\n", function() return true end)
  local user = answer and answer:match('^O{"user": "([^"\\\\]*)"}$')
  if user then
    return dovecot.auth.USERDB_RESULT_OK, { user = user }
  elseif answer == "N" then
    return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, "nobody"
  end
  return dovecot.auth.USERDB_RESULT_INTERNAL_FAILURE, "try again later"
end

function script_init()
  return 0
end

function script_deinit()
end
"""

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
