"""A person's first hour, played within the installed machine: link, password, phone, app password, `SELECT INBOX`.

Only Python's standard library, because the machine has nothing else. The browser trusts the authority of ca.pem and
reaches the names at 127.0.0.1. Arguments: the invitation's link, and the file with the texts that the provider got.
"""

from __future__ import annotations

import html
import http.client
import http.cookies
import imaplib
import re
import socket
import ssl
import sys
import time
import urllib.parse
from pathlib import Path

HOST = "watchword.example.org"
PASSWORD = "four harbour lanterns at dawn"
AUTHORITY = "/srv/office/ca.pem"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
FOUND, REDIRECTS = 200, (301, 302, 303)


class Browser:
    """A browser without a screen."""

    def __init__(self) -> None:
        self._context = ssl.create_default_context(cafile=AUTHORITY)
        self._cookies: dict[str, str] = {}
        self._token = ""
        self.path = "/"

    def get(self, path: str) -> str:
        """Open a page, follow redirects, and return the last page."""
        return self._ask("GET", path, {})

    def post(self, path: str, **values: str) -> str:
        """Send a form, follow redirects, and return the last page."""
        return self._ask("POST", path, values)

    def _ask(self, method: str, path: str, values: dict[str, str]) -> str:
        for _ in range(10):
            body = urllib.parse.urlencode({"csrfmiddlewaretoken": self._token, **values}) if method == "POST" else None
            connection = http.client.HTTPSConnection(HOST, timeout=60, context=self._context)
            connection._create_connection = lambda *_rest: socket.create_connection(("127.0.0.1", 443))  # type: ignore[attr-defined]  # the name leads nowhere
            headers = {
                "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
                "Origin": f"https://{HOST}",
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)",
                "Content-Type": "application/x-www-form-urlencoded",
            }
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            connection.close()
            for line in answer.headers.get_all("Set-Cookie") or []:
                self._cookies |= {name: morsel.value for name, morsel in http.cookies.SimpleCookie(line).items()}
            if found := TOKEN.search(text):
                self._token = found[1]
            self.path = path
            if answer.status not in REDIRECTS:
                assert answer.status == FOUND, (path, answer.status, text)
                return text
            method, path, values = "GET", urllib.parse.urljoin(path, answer.headers["Location"]), {}
        raise AssertionError("redirects without an end")


def words(page: str) -> str:
    """Return the text of a page."""
    plain = re.sub(r"<(script|style|head)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(plain).split())


def first_code(file: str) -> str:
    """Return the code of the first text that the provider gets."""
    for _ in range(300):
        if found := re.search(r"\b\d{6}\b", Path(file).read_text()):
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no text came")


def main(link: str, texts: str) -> None:
    """Play it; print the mail server's answer to ``SELECT INBOX``."""
    browser = Browser()
    parts = urllib.parse.urlsplit(link)
    assert "Code from the message" in words(browser.get(parts.path))
    browser.post(parts.path, code=parts.fragment)
    page = words(browser.post(parts.path, code=parts.fragment, password=PASSWORD))
    assert "Your password is set" in page, page
    browser.post("/sign-in/", name="root@example.org")
    page = words(browser.post("/sign-in/password/", answer=PASSWORD))
    assert browser.path == "/sign-in/register/", (browser.path, page)
    browser.get("/methods/add/phone/")
    page = words(
        browser.post(
            "/methods/add/phone/", slot="mobile", country="US", number="212 555 2368", extension="", channel="sms"
        )
    )
    assert browser.path == "/methods/add/phone/code/", (browser.path, page)
    page = words(browser.post(browser.path, answer=first_code(texts)))
    secret = re.search(r"\b(?:[a-z]{4} ){5}[a-z]{4}\b", page)
    assert secret, page
    context = ssl.create_default_context(cafile=AUTHORITY)
    program = imaplib.IMAP4_SSL("imap.example.org", 993, ssl_context=context, timeout=60)
    program.login("root@example.org", secret[0])
    sys.stdout.write(f"{program.select('INBOX')}\n")
    program.logout()


if __name__ == "__main__":
    main(*sys.argv[1:])
