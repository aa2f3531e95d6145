"""Names that look alike, so that no person can pass for an administrator.

Our own short table: the letters and digits of other scripts that look like small Latin letters in the fonts of mail
programs. It serves to compare names with the few that matter, not to assess a name by itself (Unicode Technical
Standard 39 covers that).
"""

_ALIKE = {
    "a": "\u0430\u03b1\u0251\u1d00\u237a",
    "b": "\u044c\u0184\u0299",
    "c": "\u0441\u03f2\u1d04\u217d\u2ca5",
    "d": "\u0501\u0257\u1d05\u217e",
    "e": "\u0435\u04bd\u1d07\u212e",
    "f": "\u0192\u0584\u1e9d",
    "g": "\u0261\u0581\u0262",
    "h": "\u04bb\u0570\u029c",
    "i": "\u0456\u0131\u03b9\u026a\u0269\u04cf",
    "j": "\u0458\u03f3\u0575\u1d0a",
    "k": "\u043a\u03ba\u1d0b",
    "l": "1|\u029f\u217c\u01c0\u0582",
    "m": "\u043c\u1d0d\u217f",
    "n": "\u0578\u057c\u0274\u03b7",
    "o": "0\u043e\u03bf\u0585\u1d0f\u0c66\u0966\u06f5\u0d20\u2c9f",
    "p": "\u0440\u03c1\u2ca3\u1d18",
    "q": "\u051b\u0563\u0566",
    "r": "\u0433\u1d26\u0280\u2c85",
    "s": "\u0455\ua731\u01bd",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u03c5\u057d\u1d1c\u028b",
    "v": "\u03bd\u0475\u1d20\u2174",
    "w": "\u0461\u051d\u1d21\u0561",
    "x": "\u0445\u03c7\u2179",
    "y": "\u0443\u03b3\u04af\u028f\u1eff",
    "z": "\u1d22\u0290",
}
_TABLE = {ord(other): letter for letter, others in _ALIKE.items() for other in others}


def looks(key: str) -> str:
    """Return the skeleton of a normalised name: names that look alike have the same one."""
    return key.translate(_TABLE)
