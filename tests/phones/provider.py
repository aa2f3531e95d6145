"""A provider of texts and calls on loopback, in this process. It follows the published interfaces of Twilio (Messages
and Calls), Vonage (SMS API), 46elks and Telnyx, and one made-up interface. It can be slow, broken, or lie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "the token of the account"
BAD_NUMBER = "+4915100000000"
"""A number that does not exist."""
BLOCKED_NUMBER = "+4915100000001"
"""A number that the provider blocks."""


class Mood(StrEnum):
    """How the provider behaves."""

    WELL = "well"
    SILENT = "silent"
    """Accepts the request and does not answer."""
    FAILING = "failing"
    """Answers 500."""
    CUT = "cut"
    """Closes the connection in the middle of its response."""
    BABBLING = "babbling"
    """Answers 200 without JSON."""
    ENDLESS = "endless"
    """Sends an endless response."""
    MOVED = "moved"
    """Answers 302, to an internal address."""
    DROPPING = "dropping"
    """Reports success and delivers nothing."""
    DENYING = "denying"
    """Reports failure and delivers the message all the same."""
    REFUSING = "refusing"
    """Refuses our credentials: 401."""


@dataclass(frozen=True)
class Request:
    """One request as received."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    form: dict[str, str]
    json: Any

    @property
    def user(self) -> str:
        """Return the user name and password of HTTP Basic authentication."""
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        return base64.b64decode(given).decode() if scheme == "Basic" else ""


@dataclass(frozen=True)
class Text:
    """One text that the provider accepted."""

    number: str
    text: str
    webhook: str
    name: str


@dataclass
class Provider:
    """The provider as the test sees it."""

    mood: Mood = Mood.WELL
    requests: list[Request] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    """The texts that reached telephones."""
    calls: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    sim_changes: dict[str, str] = field(default_factory=dict)
    """The time at which a number moved to another SIM, as ISO 8601, for each number."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    let_go: threading.Event = field(default_factory=threading.Event)
    """Set to end the silence of ``Mood.SILENT``."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, seconds), "it did not come"

    def signature(self, url: str, fields: dict[str, str], secret: str = TOKEN) -> str:
        """Return Twilio's signature: HMAC-SHA1, in base64, of the address followed by the fields sorted by name."""
        signed = url + "".join(name + fields[name] for name in sorted(fields))
        return base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()).decode()


@contextmanager
def provider(mood: Mood = Mood.WELL) -> Iterator[Provider]:
    """Run a provider, and stop it."""
    one = Provider(mood)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": one}))
    server.daemon_threads = True
    one.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def call_back(
    url: str, fields: dict[str, str], headers: dict[str, str] | None = None, *, at: str = ""
) -> tuple[int, str]:
    """Post a form to a webhook as a provider does, to the server in ``at`` instead of the public one."""
    parts = urlsplit(url)
    connection = HTTPConnection(urlsplit(at).netloc or parts.netloc, timeout=10)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Host": parts.netloc, **(headers or {})}
        connection.request("POST", path, urlencode(fields), sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 200
    """Many connections may arrive at once."""


class _Handler(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        self._take()

    def do_POST(self) -> None:
        self._take()

    def do_PUT(self) -> None:
        self._take()

    def _take(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "")
        request = Request(
            self.command,
            parts.path,
            {name.lower(): value for name, value in self.headers.items()},
            dict(parse_qsl(parts.query)),
            dict(parse_qsl(body.decode())) if kind.startswith("application/x-www-form-urlencoded") else {},
            json.loads(body) if kind == "application/json" else None,
        )
        with self.provider.changed:
            self.provider.requests.append(request)
            self.provider.changed.notify_all()
        try:
            self._answer(request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, request: Request) -> None:
        match self.provider.mood:
            case Mood.SILENT:
                self.provider.let_go.wait(60)
                self.close_connection = True
            case Mood.FAILING:
                self._say(500, {"message": "we are sorry"})
            case Mood.REFUSING:
                self._say(401, {"code": 20003, "message": "Authenticate"})
            case Mood.BABBLING:
                self._send(200, b"<html>Welcome to the airport's Wi-Fi</html>", "text/html")
            case Mood.MOVED:
                self.send_response(302)
                self.send_header("Location", f"{self.provider.base}/inside")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case Mood.CUT:
                self._begin(200, 1000)
                self.wfile.write(b'{"sid": "SM')
                self.close_connection = True
            case Mood.ENDLESS:
                self._begin(200, 1 << 40)
                while not self.provider.let_go.is_set():
                    self.wfile.write(b" " * 4096)
            case Mood.DENYING:
                self._work(request)
                self._say(500, {"message": "we are sorry"})
            case _:
                status, answer = self._work(request)
                self._say(status, answer)

    def _begin(self, status: int, length: int, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _say(self, status: int, answer: object) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self._begin(status, len(body), kind)
        self.wfile.write(body)

    def _work(self, request: Request) -> tuple[int, Any]:
        for beginning, work in (
            (f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", self._twilio_message),
            (f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json", self._twilio_call),
            ("/sms/json", self._vonage),
            ("/a1/sms", self._elks),
            ("/v2/messages", self._telnyx),
            ("/nobody/", self._unknown_gateway),
            ("/sim", self._sim),
        ):
            if request.path.startswith(beginning):
                return work(request)
        return 404, {"message": "there is nothing here"}

    def _twilio_message(self, request: Request) -> tuple[int, Any]:
        trouble = self._twilio_trouble(request, {"To", "From", "Body"})
        if trouble is not None:
            return trouble
        form, sid = request.form, f"SM{uuid4().hex}"
        self._deliver(Text(form["To"], form["Body"], form.get("StatusCallback", ""), sid))
        return 201, {"sid": sid, "status": "queued", "to": form["To"], "error_code": None}

    def _twilio_call(self, request: Request) -> tuple[int, Any]:
        trouble = self._twilio_trouble(request, {"To", "From", "Url"})
        if trouble is not None:
            return trouble
        sid = f"CA{uuid4().hex}"
        with self.provider.changed:
            self.provider.calls.append({**request.form, "sid": sid})
            self.provider.changed.notify_all()
        return 201, {"sid": sid, "status": "queued", "to": request.form["To"]}

    def _twilio_trouble(self, request: Request, needed: set[str]) -> tuple[int, Any] | None:
        if request.user != f"{ACCOUNT}:{TOKEN}":
            return 401, {"code": 20003, "message": "Authenticate", "status": 401}
        if request.method != "POST" or not needed <= set(request.form):
            return 400, {"code": 21604, "message": "A 'To' phone number is required", "status": 400}
        codes = {BAD_NUMBER: 21211, BLOCKED_NUMBER: 21408}
        if request.form["To"] in codes:
            return 400, {"code": codes[request.form["To"]], "message": "no", "status": 400}
        return None

    def _vonage(self, request: Request) -> tuple[int, Any]:
        form = request.form
        if (form.get("api_key"), form.get("api_secret")) != ("abcd1234", TOKEN):
            return 200, _vonage_says("4")
        if not {"from", "to", "text"} <= set(form) or len(form.get("callback", "")) > 100:
            return 200, _vonage_says("2")
        if not form["to"].isdecimal() or not 20_000 <= int(form.get("ttl", "259200000")) <= 604_800_000:
            return 200, _vonage_says("3")
        if f"+{form['to']}" == BLOCKED_NUMBER:
            return 200, _vonage_says("7")
        name = uuid4().hex[:16].upper()
        self._deliver(Text(f"+{form['to']}", form["text"], form.get("callback", ""), name))
        return 200, {"message-count": "1", "messages": [{"to": form["to"], "message-id": name, "status": "0"}]}

    def _elks(self, request: Request) -> tuple[int, Any]:
        form = request.form
        if request.user != f"u1:{TOKEN}":
            return 401, {"message": "API access requires Basic HTTP authentication"}
        if not {"from", "to", "message"} <= set(form):
            return 400, {"message": "Missing key"}
        name = f"s{uuid4().hex}"
        self._deliver(Text(form["to"], form["message"], form.get("whendelivered", ""), name))
        return 200, {"id": name, "status": "created", "to": form["to"], "direction": "outgoing"}

    def _telnyx(self, request: Request) -> tuple[int, Any]:
        sent = request.json
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"errors": [{"code": "10009", "title": "Authentication failed"}]}
        if not isinstance(sent, dict) or not {"from", "to", "text"} <= set(sent):
            return 422, {"errors": [{"code": "10004", "title": "Missing required parameter"}]}
        if sent["to"] == BAD_NUMBER:
            return 400, {"errors": [{"code": "40310", "title": "Invalid 'to' address"}]}
        name = str(uuid4())
        self._deliver(Text(sent["to"], sent["text"], sent.get("webhook_url", ""), name))
        return 200, {"data": {"id": name, "to": [{"phone_number": sent["to"], "status": "queued"}]}}

    def _unknown_gateway(self, request: Request) -> tuple[int, Any]:
        sent = request.json or {}
        if request.headers.get("x-api-key") != TOKEN:
            return 403, {"ok": False}
        if sent["to"]["number"] == BAD_NUMBER:
            return 422, {"ok": False, "why": {"code": "no-such-number"}}
        name = uuid4().hex
        self._deliver(Text(sent["to"]["number"], sent["parts"][0], sent["tell"], name))
        return 200, {"ok": True, "messages": [{"name": name}]}

    def _sim(self, request: Request) -> tuple[int, Any]:
        number = request.query.get("number") or (request.json or {}).get("phoneNumber", "")
        return 200, {"latestSimChange": self.provider.sim_changes.get(number)}

    def _deliver(self, text: Text) -> None:
        if self.provider.mood is Mood.DROPPING:
            return
        with self.provider.changed:
            self.provider.texts.append(text)
            self.provider.changed.notify_all()


def _vonage_says(status: str) -> dict[str, Any]:
    return {"message-count": "1", "messages": [{"status": status, "error-text": "no"}]}
