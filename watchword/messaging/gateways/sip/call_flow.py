"""Run an answered call from pick-up to hang-up: the IVR state machine with prompts out and keys in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from watchword.messaging.content.sms import said_at
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.gateways.sip.media import RtpSession
from watchword.messaging.voice import audio, ivr
from watchword.messaging.voice.ivr import Call, CallState
from watchword.messaging.voice.prompts import Prompts

WAIT_SECONDS = 6.0
"""How long the call waits for a key after a prompt ends."""
ROUNDS = 2
"""How many times the greeting is played to a person who presses no key."""
MACHINE_SECONDS = 3.0
"""Speech longer than this without any key pressed means voicemail; a person says hello and then listens."""
TO_THE_EAR_SECONDS = 0.5
"""Silence before and after the prompts: at pick-up a person does not have the telephone at the ear yet."""
_MEANS = {
    CallState.FRAUD: Result.FRAUD_REPORTED,
    CallState.APPROVED: Result.APPROVED,
    CallState.MISMATCHED: Result.MISMATCHED,
}


class CallFlow:
    """One answered call."""

    def __init__(
        self, outgoing: Outgoing, line: RtpSession, prompts: Prompts, report: Callable[[Result], None]
    ) -> None:
        """``report`` is called with what the call means for the delivery, as soon as that is known."""
        self._outgoing = outgoing
        self._line = line
        self._prompts = prompts
        self._report = report
        self._call = Call()
        self._pressed = False

    async def prepare(self) -> None:
        """Synthesise the prompts while the telephone rings, so that the person need not wait. Raises tts.NoSpeech."""
        for state in (CallState.GREETING, CallState.CODE):
            await self._sound_of(Call(state))

    async def lead(self) -> None:
        """Run the call until it is time to hang up; raises tts.NoSpeech."""
        self._call = ivr.answer(self._call)
        self._report(Result.DELIVERED)
        await self._pause(TO_THE_EAR_SECONDS)
        if self._outgoing.extension:
            await self._line.dial_extension(self._outgoing.extension)
        self._line.play(await self._sound_of(self._call))
        if not (self._outgoing.words and not self._outgoing.code):
            await self._ask()
        await self._line.played()
        await self._pause(TO_THE_EAR_SECONDS)

    def was_hung_up(self) -> None:
        """Report what a hang-up by the person means; after the code was spoken it means nothing."""
        if self._call.state is CallState.GREETING and not (self._outgoing.words and not self._outgoing.code):
            is_machine = not self._pressed and self._line.heard_seconds >= MACHINE_SECONDS
            self._report(Result.VOICEMAIL if is_machine else Result.HUNG_UP)

    async def _ask(self) -> None:
        rounds = 0
        while not self._call.state.is_over:
            key = await self._line.key(WAIT_SECONDS)
            if key is None:
                rounds += 1
                if rounds >= ROUNDS or self._call.state is CallState.CODE:
                    break
                self._line.play(await self._sound_of(self._call))
                continue
            self._pressed = True
            before, self._call = self._call, ivr.press(self._call, key, match=self._outgoing.match)
            if self._call.state in _MEANS:
                self._report(_MEANS[self._call.state])
            if _is_to_be_said(before, self._call, key):
                self._line.play(await self._sound_of(self._call))
        if self._call.state is CallState.GREETING:
            self._report(Result.HUNG_UP if self._pressed else Result.VOICEMAIL)

    async def _sound_of(self, call: Call) -> bytes:
        sentences = said_at(self._outgoing, call)
        return await asyncio.to_thread(self._prompts.sound_of, sentences, self._outgoing.language)

    async def _pause(self, seconds: float) -> None:
        self._line.play(audio.silence(seconds))
        await self._line.played()


def _is_to_be_said(before: Call, after: Call, key: str) -> bool:
    """Return whether a prompt is to be played, new or repeated; a key without meaning interrupts no prompt."""
    if after.state is not before.state or after.wrong != before.wrong:
        return True
    return after.state is CallState.CODE and key == "1"
