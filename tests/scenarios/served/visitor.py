"""A browser without a screen: cookies, forms with their CSRF tokens, nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from urllib.parse import urlencode

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
SECRET = re.compile(r"\b(?:[a-z]{4} ){5}[a-z]{4}\b")


@dataclass
class Page:
    """A response."""

    status: int
    location: str
    text: str
    new_cookies: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Return the text of the page without its markup."""
        return " ".join(re.sub(r"<(script|style|head)\b.*?</\1>|<[^>]+>", " ", self.text, flags=re.DOTALL).split())

    @property
    def app_password(self) -> str | None:
        """Return the app password that the page shows; each of its groups has an element of its own."""
        found = SECRET.search(self.words)
        return found[0] if found else None


@dataclass
class Visitor:
    """One browser of one web process."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    address: str = ""
    """The address that the proxy before the port is told to have seen; empty for this machine's own."""

    def copy(self, port: int) -> Visitor:
        """Return the same browser in another tab, connected to another process."""
        return Visitor(port, dict(self.cookies), self.token, self.address)

    def get(self, path: str) -> Page:
        """Request a page and store the token of its forms."""
        return self._ask("GET", path, "")

    def post(self, path: str, **values: str) -> Page:
        """Post a form with the token of the last page."""
        return self._ask("POST", path, urlencode({"csrfmiddlewaretoken": self.token, **values}))

    def begin(self, name: str, password: str) -> Page:
        """Type name and password; return the last response."""
        self.get("/sign-in/")
        self.post("/sign-in/", name=name)
        self.get("/sign-in/password/")
        return self.post("/sign-in/password/", answer=password)

    def _ask(self, method: str, path: str, body: str) -> Page:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {
            "Host": "127.0.0.1",
            "Origin": "http://127.0.0.1:8000",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Firefox/150.0",
        }
        if self.address:
            headers["X-Forwarded-For"] = self.address
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            new = {}
            for line in answer.headers.get_all("Set-Cookie") or []:
                for name, morsel in SimpleCookie(line).items():
                    new[name] = morsel.value
            self.cookies.update(new)
            if found := TOKEN.search(text):
                self.token = found[1]
            return Page(answer.status, answer.headers.get("Location", ""), text, new)
        finally:
            connection.close()
