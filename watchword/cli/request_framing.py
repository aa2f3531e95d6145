"""Finds the end of an HTTP/1.1 request (RFC 9112): it only counts octets, so that a server knows when to parse it.

It validates nothing. A malformed request counts as complete: the parser then rejects it, and reads no octet more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LARGEST_HEAD = 64 * 1024
"""Octets; no browser comes near it (the parser itself would take 100 fields of 8,190 octets)."""
_DIGITS = 18


@dataclass(slots=True)
class Framing:
    """One request as it arrives."""

    largest_body: int
    """Octets; a request that announces or sends more is passed on without its body."""
    octets: bytearray = field(default_factory=bytearray)
    is_whole: bool = False
    is_cut: bool = False
    """Whether the body was dropped, so that the connection can't be reused."""
    announced: int = 0
    """Octets of head and body together, as far as they are known."""
    wants_continue: bool = False
    """Whether the client waits for ``100 Continue`` (RFC 9110 section 10.1.1)."""
    _body_at: int = 0
    _searched: int = 0
    _is_chunked: bool = False
    _next_chunk_at: int = 0

    def feed(self, data: bytes) -> bool:
        """Add octets and return whether the request is complete now."""
        self.octets += data
        if not self._body_at:
            self._find_body()
        if self._body_at and not self.is_whole:
            if self._is_chunked:
                self._find_last_chunk()
            else:
                self.is_whole = len(self.octets) >= self.announced
        return self.is_whole

    def _find_body(self) -> None:
        end = self.octets.find(b"\r\n\r\n", max(self._searched - 3, 0))
        self._searched = len(self.octets)
        if end < 0:
            self.is_whole = self.is_cut = len(self.octets) > LARGEST_HEAD
            return
        self._body_at = end + 4
        lengths, codings = [], []
        for line in bytes(self.octets[:end]).split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            match name.strip().lower():
                case b"content-length":
                    lengths.append(value.strip())
                case b"transfer-encoding":
                    codings.append(value.strip().lower())
                case b"expect":
                    self.wants_continue = b"100-continue" in value.lower()
        length = _length(lengths, codings)
        self._is_chunked = codings == [b"chunked"]
        self._next_chunk_at = self._body_at
        self.announced = self._body_at + (length or 0)
        if length is None or length > self.largest_body:
            self._cut()

    def _find_last_chunk(self) -> None:
        while (end := self.octets.find(b"\r\n", self._next_chunk_at)) >= 0:
            try:
                size = int(bytes(self.octets[self._next_chunk_at : end]).partition(b";")[0], 16)
            except ValueError:
                self.is_whole = self.is_cut = True
                return
            if size == 0:
                # Trailers, then an empty line.
                self.is_whole = self.octets.find(b"\r\n\r\n", end) >= 0
                break
            self._next_chunk_at = end + 2 + max(size, 0) + 2
        self.announced = max(self._next_chunk_at, len(self.octets))
        if self.announced - self._body_at > self.largest_body:
            self._cut()

    def _cut(self) -> None:
        self.is_whole = self.is_cut = True
        self.wants_continue = False
        del self.octets[self._body_at :]


def _length(lengths: list[bytes], codings: list[bytes]) -> int | None:
    """Return the length of a body by its header fields (0 if it is chunked); None if they are ambiguous (smuggling)."""
    if not lengths and codings in ([], [b"chunked"]):
        return 0
    if codings or len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > _DIGITS:
        return None
    return int(lengths[0])
