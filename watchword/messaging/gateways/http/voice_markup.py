"""Answer a provider's voice webhook in TwiML, and advance the call by the keys that it reports. Pure."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from watchword.messaging.content.sms import spoken_at
from watchword.messaging.gateway import Outgoing
from watchword.messaging.voice import ivr
from watchword.messaging.voice.ivr import Call, CallState

LANGUAGES = {"en": "en-US", "de": "de-DE", "fr": "fr-FR", "es": "es-ES"}
WAIT_SECONDS = "8"


def moved(call: Call, digits: str, *, match: str) -> Call:
    """Return the call after the keys that a provider reports; its first request means pick-up."""
    if call.state is CallState.RINGING:
        call = ivr.answer(call)
    for key in digits[:20]:
        call = ivr.press(call, key, match=match)
    return call


def answer_for(outgoing: Outgoing, call: Call, *, action: str) -> str:
    """Return the TwiML for this state, with the URL for keys; without a key the call ends after the second prompt."""
    response = Element("Response")
    language = LANGUAGES.get(outgoing.language, "en-US")
    said = spoken_at(outgoing, call)
    if call.state.is_over:
        _say(response, said, language)
        SubElement(response, "Hangup")
    else:
        for _ in range(2):
            # An empty finishOnKey passes the hash key as a digit; one key for each request.
            gather = SubElement(
                response,
                "Gather",
                {
                    "input": "dtmf",
                    "numDigits": "1",
                    "finishOnKey": "",
                    "timeout": WAIT_SECONDS,
                    "action": action,
                    "method": "POST",
                },
            )
            _say(gather, said, language)
        SubElement(response, "Hangup")
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(response, encoding="unicode")


def _say(parent: Element, said: list[str], language: str) -> None:
    for sentence in said:
        SubElement(parent, "Say", {"language": language}).text = sentence
        if sentence.isdigit():
            SubElement(parent, "Pause", {"length": "1"})
