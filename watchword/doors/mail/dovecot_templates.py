"""Templates of Dovecot's configuration; ``server_config`` replaces the names between at signs.

Lines between at signs alone (``@TLS@``, ``@WEBMAIL@``) depend on the command's options. The files that not every site
needs (mailboxes, submission, Sieve) stand apart, because Dovecot refuses settings of a package that is not installed.
"""

_HEAD_2_3 = """\
# Watchword answers for passwords and mailboxes. For Dovecot 2.3.
# Add to the end of dovecot.conf:  !include watchword.conf.ext
# Take out every other passdb and userdb: in conf.d/10-auth.conf the lines  !include auth-....conf.ext

auth_mechanisms = plain login

passdb {
  driver = dict
  args = @DICT@
  # A token of OAuth is no password: it is asked about elsewhere, or not at all.
  mechanisms = plain login
}

userdb {
  driver = dict
  args = @DICT@
}

# Passwords only over TLS, or from this machine itself.
disable_plaintext_auth = yes
"""

_HEAD_2_4 = """\
# Watchword answers for passwords and mailboxes. For Dovecot 2.4, which no longer asks a dict for passwords.
# Needs Dovecot's Lua (Debian: dovecot-auth-lua) and LuaSocket (Debian: lua-socket).
# dovecot.conf begins with dovecot_config_version, or Dovecot 2.4 does not start.
# Add to the end of dovecot.conf:  !include watchword.conf.ext
# Take out every other passdb and userdb: in conf.d/10-auth.conf the lines  !include auth-....conf.ext

auth_mechanisms = plain login

passdb lua {
  lua_file = @SCRIPT@
  # A token of OAuth is no password: it is asked about elsewhere, or not at all.
  mechanisms_filter = plain login
}

userdb lua {
  lua_file = @SCRIPT@
}

# Passwords only over TLS, or from this machine itself.
auth_allow_cleartext = no

# Debian's conf.d/20-lmtp.conf takes the domain off the names that mail is delivered to.
protocol lmtp {
  auth_username_format = %{user | lower}
}
"""

_COMMON = """
# The certificate that Debian names in conf.d/10-ssl.conf is one that no mail program trusts.
@TLS@
ssl = required
ssl_min_protocol = TLSv1.2

# Every sign-in is asked anew, so that what was revoked stops at once.
auth_cache_size = 0

# Nobody signs in as somebody else.
auth_master_user_separator =

# A webmail server on another machine: all its people come from one address, and after wrong passwords of one of them
# Dovecot lets all others wait. Only the single address of a server without users of its own: whoever may open
# connections from there may name any address as the program's, and speak without TLS.
@WEBMAIL@

# Never make this list empty. Names with other characters are refused before Watchword is asked. Dovecot compares
# octets: the letters at the end hold every octet of UTF-8, so that letters of any script pass. Watchword is exact.
auth_username_chars = "@CHARACTERS@"
"""

DOVECOT_2_3 = _HEAD_2_3 + _COMMON

DOVECOT_2_4 = _HEAD_2_4 + _COMMON

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

LUA = r"""-- Watchword: asks for passwords by Dovecot's authentication protocol, for mailboxes by its dict protocol.
-- Each of Dovecot's auth workers keeps one connection to each socket; one that has ended is replaced once.
local unix = require("socket.unix")
local mime = require("mime")

local AUTH, DICT = "@AUTH@", "@DICT@"
local HELLO = { [AUTH] = "VERSION\t1\t2\nCPID\t0\n", [DICT] = "H4\t0\t0\t\twatchword\n" }
local SECONDS = 8
local kept, number = {}, 0

local function close(path)
  if kept[path] then
    kept[path]:close()
    kept[path] = nil
  end
end

local function open(path)
  local connection = unix()
  connection:settimeout(SECONDS)
  if connection:connect(path) and connection:send(HELLO[path]) then
    kept[path] = connection
    return connection
  end
  connection:close()
end

local function converse(path, lines, wanted)
  for _ = 1, 2 do
    local is_new = not kept[path]
    local connection = kept[path] or open(path)
    if not connection then
      return nil
    end
    local answer, failure
    if connection:send(lines) then
      repeat
        answer, failure = connection:receive("*l")
      until not answer or wanted(answer)
    end
    if answer then
      return answer
    end
    close(path)
    if is_new or failure == "timeout" then
      return nil
    end
  end
end

local function unescape(text)
  local plain = { ["0"] = "\0", ["1"] = "\1", t = "\t", r = "\r", n = "\n" }
  return (text:gsub("\1(.)", function(letter) return plain[letter] or letter end))
end

function auth_password_verify(request, password)
  number = number % 2000000000 + 1
  -- Without an address (doveadm auth test) none is sent: no network is trusted because of it.
  local address = request.remote_ip or ""
  local asked = "AUTH\t" .. number .. "\tPLAIN\tservice=" .. (request.protocol or "") ..
    (address ~= "" and "\trip=" .. address or "") ..
    "\tresp=" .. mime.b64("\0" .. request.user .. "\0" .. password) .. "\n"
  local good, bad = "OK\t" .. number .. "\t", "FAIL\t" .. number
  local answer = converse(AUTH, asked, function(line)
    return line:sub(1, #good) == good or line == bad or line:sub(1, #bad + 1) == bad .. "\t"
  end)
  if answer and answer:sub(1, #good) == good then
    return dovecot.auth.PASSDB_RESULT_OK, { user = unescape(answer:match("\tuser=([^\t]*)")) }
  elseif answer and not answer:find("\ttemp") then
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "refused"
  end
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "try again later"
end

function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "only passwords are checked"
end

function auth_userdb_lookup(request)
  local key = "shared/userdb/" .. (request.protocol or "") .. "/" .. request.user
  local answer = converse(DICT, "L" .. key .. "\t\n", function() return true end)
  local user = answer and answer:match('^O{"user": "([^"\\]*)"}$')
  if user then
    return dovecot.auth.USERDB_RESULT_OK, { user = user }
  elseif answer == "N" then
    return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, "nobody"
  end
  return dovecot.auth.USERDB_RESULT_INTERNAL_FAILURE, "try again later"
end

-- For `doveadm user '*'` and `doveadm -A`: every name with a mailbox, or an error, never a part of the list.
function auth_userdb_iterate()
  close(DICT)
  local names = {}
  local last = converse(DICT, "I0\t0\tshared/userdb/\t\n", function(line)
    local name = line:match("^Oshared/userdb/([^\t]*)\t")
    if name then
      names[#names + 1] = unescape(name)
    end
    return not name
  end)
  if last == "" then
    return names
  end
  error("Watchword can't list the mailboxes now")
end

function script_init()
  return 0
end

function script_deinit()
  close(AUTH)
  close(DICT)
end
"""

MAILBOXES_2_3 = """\
# A new server's mailboxes: one folder for each person, which belongs to the user vmail. For Dovecot 2.3.
# Make that user first:  adduser --system --group --home @MAILBOXES@ vmail
# Add to the end of dovecot.conf:  !include watchword-mailboxes.conf.ext      Leave it out where mailboxes exist.

mail_uid = vmail
mail_gid = vmail
# Debian's system users have lower numbers than those that Dovecot allows at first.
first_valid_uid = 1
mail_privileged_group =
mail_home = @MAILBOXES@/%d/%n
mail_location = maildir:~/Maildir
"""

MAILBOXES_2_4 = """\
# A new server's mailboxes: one folder for each person, which belongs to the user vmail. For Dovecot 2.4.
# Make that user first:  adduser --system --group --home @MAILBOXES@ vmail
# Add to the end of dovecot.conf:  !include watchword-mailboxes.conf.ext      Leave it out where mailboxes exist.

mail_uid = vmail
mail_gid = vmail
# Debian's system users have lower numbers than those that Dovecot allows at first.
first_valid_uid = 1
mail_privileged_group =
mail_driver = maildir
mail_home = @MAILBOXES@/%{user | domain}/%{user | username}
mail_path = ~/Maildir
# Debian's conf.d/10-mail.conf keeps each inbox in /var/mail.
mail_inbox_path =
"""

SUBMISSION = """\
# Dovecot's submission service hands mail on to Postfix. Needs dovecot-submissiond.
# Add to the end of dovecot.conf:  !include watchword-submission.conf.ext
# Add to Postfix's master.cf a port for this machine alone, at which it believes the name that Dovecot tells (XCLIENT),
# so that the lines of `watchword mail-config postfix` hold for it as well:
#   127.0.0.1:@RELAY_PORT@ inet n - y - - smtpd
#     -o smtpd_authorized_xclient_hosts=127.0.0.1
#     -o smtpd_tls_auth_only=no
#     -o smtpd_client_restrictions=permit_sasl_authenticated,reject
# Whoever has an account on this machine may connect there and tell any name.

submission_relay_host = 127.0.0.1
submission_relay_port = @RELAY_PORT@
submission_relay_trusted = yes
"""

SIEVE_2_3 = """\
# Sieve scripts, and ManageSieve by which programs edit them. For Dovecot 2.3.
# Needs dovecot-sieve and dovecot-managesieved.
# Add to the end of dovecot.conf:  !include watchword-sieve.conf.ext

plugin {
  sieve = file:~/sieve;active=~/.dovecot.sieve
}
protocol lda {
  mail_plugins = $mail_plugins sieve
}
protocol lmtp {
  mail_plugins = $mail_plugins sieve
}
"""

SIEVE_2_4 = """\
# Sieve scripts, and ManageSieve by which programs edit them. For Dovecot 2.4.
# Needs dovecot-sieve and dovecot-managesieved.
# Add to the end of dovecot.conf:  !include watchword-sieve.conf.ext

sieve_script personal {
  driver = file
  path = ~/sieve
  active_path = ~/.dovecot.sieve
}
protocol lda {
  mail_plugins {
    sieve = yes
  }
}
protocol lmtp {
  mail_plugins {
    sieve = yes
  }
}
"""

OAUTH2_2_3 = """\
# Mail programs and webmail that sign in by OAuth (XOAUTH2, OAUTHBEARER): Dovecot asks what a token is worth. For 2.3.
# Add to the end of dovecot.conf, after watchword.conf.ext:  !include watchword-oauth2.conf.ext

auth_mechanisms = plain login xoauth2 oauthbearer

passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = @TOKENS@
}
"""

OAUTH2_TOKENS_2_3 = """\
# Watchword: how Dovecot 2.3 asks about a token. This file holds the secret of an app: chown root, chmod 600.

introspection_mode = post
introspection_url = @INTROSPECTION_URL@
# The name of the mailbox; a program that names another one is refused.
username_attribute = mailbox
active_attribute = active
active_value = true
tls_ca_cert_file = /etc/ssl/certs/ca-certificates.crt
"""

OAUTH2_2_4 = """\
# Mail programs and webmail that sign in by OAuth (XOAUTH2, OAUTHBEARER): Dovecot asks what a token is worth. For 2.4.
# Add to the end of dovecot.conf, after watchword.conf.ext:  !include watchword-oauth2.conf.ext

auth_mechanisms = plain login xoauth2 oauthbearer

passdb oauth2 {
  mechanisms_filter = xoauth2 oauthbearer
}

# Only root can read that file. A program of another user that reads this one, such as dovecot-lda, does without it.
!include_try @TOKENS@
"""

OAUTH2_TOKENS_2_4 = """\
# Watchword: how Dovecot 2.4 asks about a token. This file holds the secret of an app: chown root, chmod 600.

oauth2 {
  introspection_mode = post
  introspection_url = @INTROSPECTION_URL@
  # The name of the mailbox; a program that names another one is refused.
  username_attribute = mailbox
  active_attribute = active
  active_value = true
  ssl_client_ca_dir = /etc/ssl/certs
}
"""
