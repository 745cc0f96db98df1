"""Watching a board boot: which baud rate to listen at, when to knock, when enough is known. Without any I/O.

The caller does what `BootWatcher.next` says and feeds what comes back:

    watcher = BootWatcher(now=clock())
    while not isinstance(request := watcher.next(clock()), Verdict):
        if isinstance(request, SendText):
            port.write(request.data)
        else:
            port.baudrate = request.baud
            watcher.feed(port.read_until_bytes_or(request.until_s), clock())

The rules:

1. Listen at the ROM's rate right after a reset; which one that is, the crystal says, or the rate at which the ROM's
   words are readable. Once the ROM has loaded the image (`csum`), listen at the firmware's:
   its banner follows within a tenth of a second. What the SDK says in between, at the ROM's rate, is given up for it.
2. If the firmware's rate gives garbage and nothing after it, knock; if nobody answers, go back to the ROM's rate and
   stay: either the board starts again and again, or the SDK tells why it does not go on.
3. Garbage there as well: another rate of those in use. Silence there: the board waits for input at a rate of its own,
   and each of those in use is knocked at. But a firmware that was just loaded and makes no sound at its rate is left
   alone there: NodeMCU 2.x formats its file system without a word, and then takes over the rate of what it was sent.
   Not so with one that talked at once, or has an SDK of NodeMCU 0.9: that speaks at 9600, and some of its builds make
   no sound where they are knocked at another rate (seen in executed builds of December 2014).
4. Knock (a carriage return) when the line is quiet: NodeMCU answers with its prompt, even where its banner is off. A
   Lua prompt whose banner nobody saw is asked what it is. One that was shown is knocked at as well: NodeMCU 3.x shows
   it behind an init.lua that has taken the console.
5. A firmware that formats its file system is waited for, as long as that takes.
6. A failure is told at its first conclusive token (`verdict.conclude`); a firmware that was recognised is given time
   to fail; anything else is judged when waiting longer would not change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flashpipe.board.boot.expectations import accepts
from flashpipe.board.boot.gaps import Unread
from flashpipe.board.boot.patterns import LOADED, LUA_PROMPT_LOOSE, OLD_SDK, ROM, SDK_STARTS, loader_is_busy
from flashpipe.board.boot.rates import COMMON_BAUDS, ROM_BAUDS, rom_baud
from flashpipe.board.boot.stay import NOISE, Stay
from flashpipe.board.boot.verdict import HEALTHY, NOT_CHECKED, Verdict, classify, judge
from flashpipe.board.session.text import garbage_bytes, readable
from flashpipe.values import dataclass

__all__ = ["NOT_CHECKED", "BootWatcher", "ListenAt", "SendText", "Verdict", "accepts", "classify"]

KNOCK: Final = b"\r"
ASK: Final = b"=node.info()\r"
"""Asks a Lua prompt for its version; every NodeMCU answers numbers (facts: usb-nodemcu §9.4)."""
FORMAT_S: Final = 90.0
"""How long a file system may take to be formatted: a minute on 16 MB (facts: esp8266 §2.5), and half of that again."""
AFTER_FORMAT_S: Final = 5.0
"""Time for the banner and the prompt behind that."""
ASK_S: Final = 1.0
ALIVE_S: Final = 10.0
"""A firmware that was started and says nothing for that long is alive, and silent by design."""
SWEEP_S: Final = 20.0
"""A dead line for that long on a board that nobody reset: every usual rate was knocked at."""
SILENCE_S: Final = 6.0
"""A dead line for that long after a reset by wire means that nothing will come."""

TICK_S: Final = 0.05
LOADED_S: Final = 0.03
"""Pause after `csum 0xNN` that shows that no `csum err` follows: longer than a USB adapter holds bytes back."""
LOADER_S: Final = 1.0
"""A boot loader is quiet for so long at most, before it says what it starts: it may erase two sectors of the slowest
flash in between (0.4 s each)."""
EVALUATE_S: Final = 0.02
"""Least time between two looks at the log: bytes come one by one."""
ROM_WAIT_S: Final = 0.7
"""The ROM speaks within milliseconds of a reset; later than this, there was none."""
QUIET_S: Final = 0.25
"""A pause after which the firmware has said what it wanted to say."""
ANSWER_S: Final = 0.6
"""A NodeMCU at its prompt answers a knock at once; busy ones are knocked again."""
KNOCKS: Final = 2
NOISE_S: Final = 1.5
"""Garbage for longer than an SDK start takes."""
BANNER_S: Final = 1.5
TALK_S: Final = 1.5
"""A firmware of which nothing is known but that it talks has so long to fail."""
SETTLE_S: Final = 0.5
"""One that says its name, or what was waited for, has so long."""
LUA_BOOT_S: Final = 2.5
"""A Lua prompt has the time of any other firmware, as far as the whole check takes no longer than this."""
LOAD_S: Final = 3.0
"""A ROM that found nothing to load stays silent until its watchdog bites."""
DWELLS_S: Final = (2.5, 9.0)
"""How long to wait for another start at the ROM's rate, the first time and later: in the end longer than the hardware
watchdog takes to reset a hanging firmware (about 8 s; no source, a parameter)."""
UNANSWERED: Final = "has shown its prompt and answers nothing: a program holds the console, or what is sent is lost"
FAULT_S: Final = 0.3
"""Time for the lines that follow a crash."""
WRONG_S: Final = 0.2
"""A knock that was answered with garbage will not be answered otherwise; longer than a USB adapter holds bytes back."""
STRAY_S: Final = 0.1
"""Garbage right after a reset may be the rest of an earlier conversation; the ROM log follows at once."""


@dataclass(frozen=True, slots=True)
class ListenAt:
    """Read at `baud` until bytes come, or until the time `until_s` at the latest."""

    baud: int
    until_s: float


@dataclass(frozen=True, slots=True)
class SendText:
    """Write these bytes, at the rate last listened at."""

    data: bytes


class BootWatcher:
    """Judges a boot from bytes and times. Times are seconds of any one clock."""

    def __init__(
        self,
        *,
        now: float,
        crystal_mhz: int = 26,
        firmware_bauds: Sequence[int] = (115200,),
        timeout_s: float = 60.0,
        probe_prompt: bool = True,
        wait_for: str = "",
        quiet_s: float = ALIVE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        """Start right after a reset, or beside a board that is already running.

        Args:
            now: The time.
            crystal_mhz: The board's crystal; it sets the ROM's rate.
            firmware_bauds: Rates at which the firmware may speak, the likeliest first; others are tried after them.
            timeout_s: When to judge by what there is.
            probe_prompt: Whether a carriage return may be sent to a quiet board.
            wait_for: A text that the log must hold before a running firmware is a verdict.
            quiet_s: How long a started firmware may say nothing until it is judged alive but silent.
            silence_s: How long the line may be dead. The whole timeout or more where a person has to press RESET: then
                the ROM's rate is kept until something comes.
        """
        self._start_s = now
        self._rom_bauds = tuple(dict.fromkeys((rom_baud(crystal_mhz), *ROM_BAUDS)))
        self._rom_at = 0
        self._rom_known = False
        self._bauds = tuple(dict.fromkeys((*firmware_bauds, *COMMON_BAUDS)))
        self._at = 0
        self._limit_s = now + timeout_s
        self._probe = probe_prompt
        self._wait_for = wait_for
        self._quiet_s = quiet_s
        self._silence_s = silence_s
        self._rom_wait_s = ROM_WAIT_S if silence_s < timeout_s else timeout_s
        self._text = ""
        self._unread = Unread()
        self._stay = Stay(self._rom_bauds[0], now, now, rom=True)
        self._dirty = False
        self._evaluated_s = now
        self._heard_s = now
        self._received = 0
        self._state = Verdict("silence", "the board says nothing")
        self._state_s = now
        self._lingered = False
        self._lingers = 0
        self._sweep = 0  # rates left to knock at before the ROM's is listened to again
        self._talks = False
        """Whether garbage at the ROM's rate showed that the firmware talks by itself."""
        self._is_early = False  # such garbage came at once, without a word of the SDK before it
        self._asked_s: float | None = None
        self._prompts = self._proofs = 0  # prompts that the log held at the last knock; knocks at one that was shown
        self._format_s: float | None = None
        self._text_baud = 0
        self._good: Verdict | None = None
        """A firmware that was recognised, and is given time to fail."""
        self._good_s = now

    # --- in and out --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes that came at the rate last asked for; none is fine."""
        if data:
            self._stay.feed(data, now)
            if data.strip():  # a mere echo of a knock tells nothing
                self._heard_s = now
            self._received += len(data)
            self._dirty = True

    def next(self, now: float) -> ListenAt | SendText | Verdict:
        """What to do now."""
        settled = self._good is not None and now >= self._settled_s()
        if self._dirty and (settled or now - self._evaluated_s >= max(EVALUATE_S, len(self._text) / 250_000)):
            self._dirty = False
            self._evaluated_s = now
            verdict = self._evaluate(now)
            if verdict is not None and verdict.kind not in HEALTHY:
                return self._finish(verdict, now)
            if self._good is None:
                self._good_s, self._proofs = now, 0
            self._good = verdict
        if self._good is not None:
            return self._wait_or_ask(self._good, now)
        if not self._dirty:
            verdict = self._judge_by_time(now)
            if verdict is not None:
                return self._finish(verdict, now)
            if self._shall_knock(now):
                return self._knock(now)
            self._choose_baud(now)
        return self._listen(now)

    @property
    def formatting_s(self) -> float | None:
        """Since when the firmware formats its file system; None while it does not."""
        return self._format_s

    @property
    def log(self) -> str:
        """Everything readable so far."""
        return self._text + self._stay.text()

    # --- judging -----------------------------------------------------------------------------------------------------

    def _evaluate(self, now: float) -> Verdict | None:
        log = self.log
        state, conclusive = judge(log)
        if state.kind != self._state.kind:
            self._state_s = now
            if self._format_s is not None:
                self._limit_s = max(self._limit_s, now + AFTER_FORMAT_S)
            self._format_s = now if state.kind == "formatting" else None
        self._state = state
        self._learn_rates()
        self._watch_noise(now)
        if self._wait_for and state.kind in HEALTHY:
            return state if self._wait_for in log else None
        return state if conclusive else None

    def _judge_by_time(self, now: float) -> Verdict | None:
        state, quiet_s = self._state, now - self._heard_s
        late = now >= self._deadline()
        if state.kind == "silence":
            return self._judge_silence() if late or now - self._start_s >= self._silence_s else None
        if self._wait_for and not late and state.kind in HEALTHY:
            return None
        in_state_s = now - self._state_s
        alive_s = FORMAT_S if self._may_format else self._quiet_s
        enough = {
            "banner": not self._restless(now) and (quiet_s >= BANNER_S or in_state_s >= BANNER_S + NOISE_S),
            "firmware": not self._restless(now) and in_state_s >= TALK_S,
            "alive": not self._sweep and (quiet_s >= alive_s or in_state_s >= 3 * alive_s),
            "no-image": quiet_s >= LOAD_S,
            "nothing-found": quiet_s >= LOAD_S,  # a warning of a loader that goes on
            "boot-loop": in_state_s >= ALIVE_S,
            "system-params": quiet_s >= (FORMAT_S if self._may_format else LOAD_S),  # it may go on all the same
            "watchdog": quiet_s >= (FAULT_S if state.causes.count(4) > 1 else ALIVE_S),  # one bite: it starts again
        }
        return state if late or enough.get(state.kind, quiet_s >= FAULT_S and state.kind not in HEALTHY) else None

    def _restless(self, now: float) -> bool:
        """Whether what spoke may be starting again: garbage came since, and nobody has listened for the ROM."""
        if self._stay.linger:
            return now - self._stay.since_s < DWELLS_S[0]
        return self._stay.noise_s is not None and not self._lingers

    @property
    def _may_format(self) -> bool:
        """Whether what the firmware said behind the SDK's lines was lost because it came at another rate.

        NodeMCU 2.x says there that it formats its file system, and then nothing for most of a minute.
        """
        sdk = SDK_STARTS.search(self._text)
        return sdk is not None and self._unread.behind(sdk.end())

    def _deadline(self) -> float:
        return self._limit_s if self._format_s is None else max(self._limit_s, self._format_s + FORMAT_S)

    def _judge_silence(self) -> Verdict:
        if self._received < NOISE:
            return Verdict("silence", "the board says nothing, not even its ROM")
        tried = ", ".join(str(baud) for baud in dict.fromkeys((*self._rom_bauds, *self._bauds)))
        return Verdict("unreadable", f"{self._received} bytes came that make no text at {tried} baud")

    def _wait_or_ask(self, good: Verdict, now: float) -> SendText | ListenAt | Verdict:
        """A firmware that is known by its name gets time to fail, and its prompt is knocked at, or asked what it is."""
        nameless = good.kind == "prompt" and not any(map(str.isdigit, good.firmware))
        if nameless and self._probe and not self._stay.rom and now < self._deadline():
            if self._asked_s is None:
                self._asked_s = now
                return SendText(ASK)
            if now - self._asked_s < ASK_S:
                return self._listen(now)
        elif good.kind == "prompt" and self._shall_prove(now):
            self._proofs += 1
            return self._knock(now)
        answer_s = min(self._stay.knocked_s + ANSWER_S, self._deadline()) if self._proofs and self._unanswered else now
        return self._listen(now) if now < max(answer_s, self._settled_s()) else self._finish(good, now)

    def _settled_s(self) -> float:
        """When a firmware that was recognised has had its time to fail."""
        assert self._good is not None
        begun_s = self._good_s
        wait_s = SETTLE_S
        if self._good.kind == "prompt":
            just_started = bool(self._good.causes) or LOADED.search(self.log) is not None
            # The check of a Lua has time left, as a rule; one that ran before, and answers, has been settled for long.
            left_s = max(SETTLE_S, LUA_BOOT_S - (begun_s - self._start_s))
            wait_s = min(TALK_S, left_s) if just_started or not self._good.firmware else 0.0
        return min(begun_s + wait_s, max(begun_s, self._deadline()))

    def _listen(self, now: float) -> ListenAt:
        return ListenAt(self._stay.baud, min(now + TICK_S, max(now, self._deadline())))

    def _finish(self, verdict: Verdict, now: float) -> Verdict:
        if verdict.kind == "alive" and self._stay.garbled() >= NOISE:
            summary = "the ROM started the firmware, which talks at an unknown baud rate; that it runs is not proven"
            verdict = replace(verdict, summary=summary, unknown_rate=True)
        if verdict.kind == "prompt" and self._unanswered:
            summary = f"{verdict.firmware or 'a Lua'} {UNANSWERED}"
            verdict = replace(verdict, kind="banner", summary=summary)
        seconds = round(now - self._start_s, 3)
        self._unread.note(len(self._text), self._stay.skipped(self._stay.text()))
        gaps = self._unread.gaps(self.log)
        return replace(verdict, log=self.log, gaps=gaps, seconds=seconds, baud=self._text_baud)

    # --- the rate ----------------------------------------------------------------------------------------------------

    def _learn_rates(self) -> None:
        """The ROM's words are readable at one rate only, and so is the firmware's text."""
        stay, text = self._stay, self._stay.text()
        if ROM.search(text) or LOADED.search(text):
            if stay.baud in self._rom_bauds:
                self._rom_at, self._rom_known = self._rom_bauds.index(stay.baud), True
        elif text.strip():
            self._text_baud = stay.baud

    def _watch_noise(self, now: float) -> None:
        stay = self._stay
        tail = bytes(stay.data[-64:])
        if garbage_bytes(tail) < NOISE or len(readable(tail)) >= NOISE:
            stay.noise_s = None  # text, or nothing yet
        elif stay.noise_s is None:
            stay.noise_s = now
            stay.noise_after_knock = 0 <= stay.burst_s - stay.knocked_s < WRONG_S and bool(stay.knocks)

    def _choose_baud(self, now: float) -> None:
        stay = self._stay
        if stay.rom:
            noisy = stay.noise_s is not None and max(now - stay.noise_s, now - stay.last_s) >= STRAY_S
            if noisy or self._rom_has_spoken(now):
                self._leave_rom(now, noisy=noisy)
        elif stay.noise_s is not None:
            if self._sweep:
                if now - stay.last_s >= WRONG_S or now - stay.noise_s >= NOISE_S:
                    self._next_firmware_rate(now)
                return
            unanswered_s = now - max(stay.last_s, stay.knocked_s)
            if unanswered_s >= ANSWER_S or now - stay.noise_s >= NOISE_S:
                if self._lingered:  # the ROM's rate was tried in between, so this one is wrong
                    self._at = (self._at + 1) % len(self._bauds)
                self._linger(now)
        elif self._at == 0 and LOADED.search(self.log) and not (self._is_early or OLD_SDK.search(self.log)):
            return  # silence is no sign of a wrong rate, garbage would be: perhaps it formats its file system
        elif stay.knocks >= KNOCKS and now - max(stay.last_s, stay.knocked_s) >= ANSWER_S and not self._stay.text():
            self._next_firmware_rate(now)

    def _leave_rom(self, now: float, *, noisy: bool) -> None:
        stay, text = self._stay, self._stay.text()
        self._is_early |= noisy and (csum := LOADED.search(text)) is not None and not text[csum.end() :].strip()
        if noisy and not self._rom_known:
            self._rom_at = (self._rom_at + 1) % len(self._rom_bauds)
            if self._rom_bauds[self._rom_at] == self._bauds[self._at]:  # that one is listened to anyway
                self._rom_at = (self._rom_at + 1) % len(self._rom_bauds)
        if stay.linger and not ROM.search(text):  # it does not start again and again: it waits for input
            self._sweep, self._talks = len(self._bauds), bool(stay.data)  # … or it talks at a rate of its own
            self._at = (self._at + 1) % len(self._bauds)
        self._listen_to_firmware(now)

    def _next_firmware_rate(self, now: float) -> None:
        by_itself = self._stay.noise_s is not None and not self._stay.noise_after_knock
        self._at = (self._at + 1) % len(self._bauds)
        if self._sweep:
            self._sweep = 0 if by_itself and not self._talks else self._sweep - 1
            if not self._sweep:
                self._linger(now)
                return
        self._listen_to_firmware(now)

    def _linger(self, now: float) -> None:
        self._switch(Stay(self._rom_bauds[self._rom_at], now, now, rom=True, linger=True))

    def _rom_has_spoken(self, now: float) -> bool:
        """At the ROM's rate: whether there is nothing more to wait for."""
        quiet_s = now - self._stay.last_s
        if not self._stay.linger:
            text = self._stay.text()
            wait_s = LOADER_S if loader_is_busy(text) else LOADED_S if LOADED.search(text) else self._rom_wait_s
            return quiet_s >= wait_s
        dwell_s = DWELLS_S[min(self._lingers, len(DWELLS_S)) - 1]
        return quiet_s >= (dwell_s if ROM.search(self.log) else ROM_WAIT_S)

    def _listen_to_firmware(self, now: float) -> None:
        self._switch(Stay(self._bauds[self._at], now, now))

    def _switch(self, stay: Stay) -> None:
        text = self._stay.last_text()
        torn = text and not text.endswith("\n") and stay.baud != self._stay.baud
        skipped = self._stay.skipped(text)
        self._unread.note(len(self._text), skipped)
        self._text += f"{text}\n" if torn else text
        self._unread.note(len(self._text), self._stay.left_out(text) - skipped)
        self._lingered = self._stay.linger
        self._lingers += stay.linger
        self._stay = stay

    # --- knocking ----------------------------------------------------------------------------------------------------

    def _knock(self, now: float) -> SendText:
        self._stay.knocks += 1
        self._stay.knocked_s = now
        self._prompts = self._count_prompts()
        return SendText(KNOCK)

    def _count_prompts(self) -> int:
        return len(LUA_PROMPT_LOOSE.findall(self.log))

    @property
    def _unanswered(self) -> bool:
        """Whether the last knock, at the rate that is listened at, has brought no prompt."""
        return self._stay.knocks > 0 and self._count_prompts() <= self._prompts

    def _shall_prove(self, now: float) -> bool:
        """Whether the prompt that was shown is to be knocked at: once, and again where nothing comes."""
        stay = self._stay
        if not self._probe or stay.rom or self._asked_s is not None or now >= self._deadline():
            return False
        if self._proofs:
            return self._unanswered and self._proofs < KNOCKS and now - stay.knocked_s >= ANSWER_S
        return now - stay.last_s >= QUIET_S or now - self._good_s >= SETTLE_S  # it may print without end

    def _shall_knock(self, now: float) -> bool:
        stay = self._stay
        deaf = self._state.kind == "formatting" and self._state.firmware == "NodeMCU"  # input would be lost
        if not self._probe or stay.rom or deaf or self._asked_s is not None:
            return False
        pause_s = ANSWER_S if stay.knocks < KNOCKS else self._quiet_s / 3
        return now - stay.last_s >= QUIET_S and now - max(stay.knocked_s, stay.since_s - ANSWER_S) >= pause_s
