"""Texts without secrets: passwords, keys, names of networks, logins and signatures in URLs.

Whatever is kept, logged or told goes through here: receipts, failures, journals, lock files, logs, messages. It rather
takes away a word too many than lets a secret pass. What is shown of a board on the user's own terminal is left alone.
"""

from __future__ import annotations

import hashlib
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from flashpipe.lazy import lazy_pattern

HIDDEN: Final = "***"
_PLAIN_PARTS: Final = frozenset(
    {
        "auth", "authorization", "bssid", "cookie", "credential", "credentials", "creds", "jwt", "key", "otp",
        "pass", "passcode", "passphrase", "passwd", "password", "psk", "pw", "pwd", "secret", "sessionid",
        "sig", "signature", "ssid", "token",
    }
)  # fmt: skip
"""Parts of a name, between underscores, hyphens, dots and humps, that make its value a secret."""
_ENDINGS: Final = (
    "accesskey", "accountkey", "aeskey", "apikey", "appkey", "authkey", "credential", "devicekey",
    "encryptionkey", "keyphrase", "masterkey", "pass", "passphrase", "passwd", "password", "privatekey",
    "privkey", "psk", "pw", "pwd", "secret", "secretkey", "sessionid", "sessionkey", "sharedkey", "signature",
    "ssid", "token", "userkey", "wepkey", "wifikey",
)  # fmt: skip
"""Ends of names that are written in one word."""
_NO_SECRETS: Final = frozenset({"bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass"})
"""English words that end as such names do."""
_LONG: Final = frozenset(
    {"authorization", "bssid", "cookie", "pass", "passcode", "passphrase", "passwd", "password", "psk", "pw",
        "pwd", "ssid"}
)  # fmt: skip
"""Parts of names whose values may have spaces: networks and their passwords."""


_NAME: Final = r"\w[\w.-]{0,63}"
_COLOUR: Final = r"(?: \x1b | \\{1,8}u001b | \\{1,8}x1b )? \[ [\d;]{0,16} m"
_GAP: Final = r"[\s\x00]* (?: \\{1,8} (?: u0000 | x00 ) [\s\x00]* ){0,4}"
"""Zero bytes stand between the fields of structures in flash."""
_QUOTED: Final = r"""(?: "(?: [^"\\\n] | \\. )*" | '(?: [^'\\\n] | \\. )*' )"""
_PAIR: Final = lazy_pattern(
    rf"""(?ix)
    (?: {_COLOUR} )? (?P<open> \\{{0,8}}["']? ) (?P<name> {_NAME} ) (?P=open)
    (?: \s? \] | \[ \w{{1,20}} \] )? (?: {_COLOUR} )?
    (?P<sep> {_GAP} (?: -> | => | := | %3[ad] | [:=,|] ) {_GAP} (?: {_COLOUR} )? )
    (?= [^\s,;)}}\]] )"""
)
"""What comes before the value in `name = value`, `"name": "value"`, `name, value`; also in a text that is quoted."""
_VALUE: Final = lazy_pattern(
    rf"""(?ix)
    [\[({{] (?: {_QUOTED} | [^\])}}"'\n] ){{0,2000}} (?: ["'][^"'\n]* )? [\])}}]?
    | [bru]{{0,2}}(?=["']) {_QUOTED} (?: \w [^"'\n]* ["']? )?
    | \\{{1,8}}"[^"\n]*?\\{{1,8}}"
    | (?: \\{{0,8}}" [^"\n]* | ' [^'\n]* ) (?: \n [^"'\n]{{0,200}} ["'] )?
    | [^\s,;)}}\]"']{{1,2000}}"""
)
"""Behind that; also where a cut, a line end or another beginning is within the quotes. It is looked for behind names of
secrets only: any other may hold thousands of characters, and pairs of its own.
"""
_LONG_WORD: Final = lazy_pattern(r"([\w.-]{20})[\w.-]+([\w.-]{66})")
"""Only its end can be a name, only its beginning be part of what separates (`%3d`, `\\x00`, a colour); to try all the
places of a line of 1 MB without spaces takes a minute."""
_MORE: Final = lazy_pattern(rf"(?:[ ]+(?!{_NAME}\s*[:=])[^\s,;)}}\]\"'=]+)+")
"""Further words of a value without quotes."""
_TORN: Final = lazy_pattern(r"""[^"'\n]{0,80}\n\s*("[^"\n]*"|'[^'\n]*')[ \t\r]*(?=\n|\Z)""")
"""A value that something else was printed in front of: it stands on a line of its own."""
_SPOKEN: Final = lazy_pattern(
    r"""(?ix) \b ( (?: password | passphrase | passwd | pass \s phrase | psk | pwd | ssid ) :? \s+ (?: is \s+ )? ["']? )
    (?! (?: is | for | of | password | passphrase | passwd | psk | pwd | ssid ) \b ) [^\s"',;)}\]]+"""
)
"""`psk secret`, `password is secret`."""
_BEARER: Final = lazy_pattern(
    r"""(?ix) \b ( bearer | basic | digest | negotiate )
    ( (?<=bearer) (?: \s* [:=] \s* | \s+ )
    | \s+ (?! (?: 0x[\da-f]+ (?: \.\.0x[\da-f]+ )? | (?-i: [A-Z]?[a-z]+ ) ) \.? (?! [A-Za-z0-9+/._~=-] ) ) )
    [A-Za-z0-9+/._~=-]{4,}"""
)
"""`Bearer secret`; `Basic aGk6aG8=`, and neither `basic settings` nor `digest 0x10000..0x20000`."""
_NETWORK: Final = lazy_pattern(
    r"(?i)\b((?:re)?connect(?:ing|ed)?\s+(?:to|with)|disconnect(?:ing|ed)?\s+from|join(?:ing|ed)"
    r"|associat(?:ing|ed)\s+with|lost\s+(?:the\s+)?connection\s+(?:to|with)"
    r"|(?:ap|access\s+point|network|wi-?fi)\s+name(?=\s*[:=]))((?:\s*[:=]\s*|\s+)(?:(?:ap|ssid|network|wifi|wi-fi)\b)?[:=]?\s*)"
    r"(?!(?:sim|rfc2217|socket|https?)://|/dev/|COM\d|GPIO\d|each other\b)[^,;.\n\r]+"
)
"""The SDK's own words: `connected with HomeNet, channel 6`."""
_CALL: Final = lazy_pattern(
    r"(?i)(\bwifi\.[a-z.]*(?:config|begin|softap|join)\s*\(|\bAT\+CW[JS]AP\w*\s*="
    r"|\b\w{0,40}(?:password|passphrase|passwd|psk|pwd|secret|token)\w{0,40}\()(?!\))[^)\n]*"
)
"""`wifi.sta.config("net", "…")`, `WiFi.begin("net", "…")`, `AT+CWJAP="net","…"`, `setPassword("…")`."""
_ELEMENT: Final = lazy_pattern(rf"<(?P<name>{_NAME})>(?P<value>[^<\n]+)(?=<)")
_NAMED: Final = lazy_pattern(
    rf"""(?ix)
    (?P<lead> --? | \#[ ]?define [ \t]+ | \b (?: setenv | putenv | export | set ) [ \t]+ )?
    \b (?P<name> {_NAME} ) (?P<gap> [ \t]+ (?: (?: is | was ) [ \t]+ )? )
    (?P<value> {_QUOTED} | \\{{1,8}}"[^"\n]*?\\{{1,8}}"
    | \\{{0,8}}"[^"\n]* | '[^'\n]* | [^\s"',;:=)}}\]|>-][^\s"',;)}}\]]{{0,2000}} )"""
)
"""`--token secret`, `#define WIFI_PASS "secret"`, `wifi_password secret`."""
_SPACED: Final = lazy_pattern(
    r"""(?ix) \b (?: access | admin | ap | api | auth | encryption | login | mqtt | network | private | secret | sta
    | user | wep | wi-?fi | wpa2? ) [ \t]+ (?: pass (?: code | phrase | wd | word )? | pw | key | secret | token ) \b
    [ \t]* [:=]? [ \t]+ (?: is [ \t]+ )? (?P<value> "[^"\n]*" | '[^'\n]*' | [^\s"',;)}\]]+ )"""
)
"""`api key secret`, `wifi pass: secret`."""
_PLAIN_WORDS: Final = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "but", "by", "can", "cannot", "could", "does", "for", "from", "given"}
    | {"had", "has", "have", "here", "if", "in", "is", "it", "its", "may", "missing", "must", "no", "not", "of", "on"}
    | {"or", "set", "should", "that", "the", "there", "this", "to", "unset", "was", "were", "which", "will", "with"}
    | {"without", "would"}
)
"""What follows the name of a secret in a sentence about it."""
_GOES_ON: Final = _PLAIN_WORDS | {
    *("all", "also", "any", "each", "else", "expected", "found", "give", "got", "how", "needed", "none", "nor", "one"),
    *(
        "only",
        "please",
        "required",
        "say",
        "see",
        "so",
        "such",
        "take",
        "than",
        "then",
        "these",
        "they",
        "those",
        "use",
    ),
    *("want", "what", "when", "where", "while", "who", "you", "your"),
}
"""With what a sentence goes on behind a comma: `unknown key, want one of …`."""
_FILTERS: Final = frozenset({"band", "by", "first", "high", "low", "multi", "one", "second", "single", "two"})
"""What stands before `pass` where it is no password."""
_TOKEN: Final = lazy_pattern(
    r"\b(?:gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[A-Z0-9]{16}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
"""Tokens that are known by their form: GitHub's, GitLab's, Slack's, Amazon's, and JWT."""
_PRIVATE_KEY: Final = lazy_pattern(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL)
_LOGIN: Final = lazy_pattern(r"(\w://)[^\s/?#@\"']+(?=@)")
"""User and password, or a token, in a URL; options of a virtual board have an @ too, behind a question mark."""
_QUERY: Final = lazy_pattern(r"(?i)(\bhttps?://[^\s?#\"'<>]{0,2000}\?)(?!query=sha256:)[^\s#\"'<>]+")


_LEAST_TOKEN: Final = 20
"""Characters of the shortest token that is known by its form and has letters and digits only: `AKIA…`, Amazon's."""
_HINT: Final = lazy_pattern(
    r"(?i)pass|psk|pwd|pw|ssid|secret|token|key|cred|auth|cookie|bearer|basic|digest|negotiate|connect|join|associat|sig"
    r"|jwt|otp|session|name\s*[:=]|wifi\.|at\+cw|://|-----BEGIN|gh[opsur]_|github_|glpat-|xox[abprs]-|AKIA|eyJ"
)
"""Each secret that a pattern knows has one of these: most texts have none, and a dozen patterns take their time."""
_Pass: TypeAlias = Callable[[str], Iterator[tuple[int, int]]]
"""Gives start and end of each secret in a text, in order and apart."""
_known: Final = dict[str, int]()
"""Secrets of this run, whatever stands around them, and how many know of each."""
_REPEATED: Final = 256
"""Characters of a text that is remembered."""
LEAST: Final = 4
"""Characters of a secret that is looked for by itself: a shorter one is part of too many words."""
_guard: Final = threading.Lock()


def know_secret(value: str) -> None:
    """Take this very text out of whatever is masked from now on."""
    if len(value) >= LEAST:
        with _guard:
            _known[value] = _known.get(value, 0) + 1


def forget_secret(value: str) -> None:
    """Undo a `know_secret`: a station has a secret for each of its thousand boards, and looks for those under way."""
    with _guard:
        left = _known.get(value, 0) - 1
        if left > 0:
            _known[value] = left
        else:
            _known.pop(value, None)


def mask(text: str) -> str:
    """The text without secrets.

    >>> mask('ssid="home" pwd=secret1 ip=1.2.3.4'), mask("socket://me:secret@shelf:4000")
    ('ssid=*** pwd=*** ip=1.2.3.4', 'socket://***@shelf:4000')
    >>> mask('{"sta_ssid": "Home Net", "mqttPass": "x y"}'), mask("Authorization: Bearer abcdef")
    ('{"sta_ssid": ***, "mqttPass": ***}', 'Authorization: ***')
    """
    known = frozenset(_known)
    if not known and (_is_lone_word(text) or _HINT.search(text) is None):
        return text
    return _short(text, known) if len(text) <= _REPEATED else _mask(text)


def _is_lone_word(text: str) -> bool:
    """Whether nothing in the text can tell that some of it is secret: of receipts' texts, half are words."""
    return len(text) < _LEAST_TOKEN and text.isalnum()


@lru_cache(maxsize=512)
def _short(text: str, known: frozenset[str]) -> str:
    """A run tells the same short texts to receipt, log and programs; other `known` secrets are other texts."""
    del known
    return _mask(text)


def _mask(text: str) -> str:
    for secrets in _PASSES:
        text = _without(text, secrets(text))
    return text


def mask_pieces(pieces: Sequence[str]) -> list[str]:
    """The pieces of one text that came or was cut in them, each without its share of a secret.

    Where a secret is spread over several of them, the mark stands where it begins.

    >>> mask_pieces(["api_to", "ken=sec", "ret and so on"])
    ['api_to', 'ken=***', ' and so on']
    """
    text = "".join(pieces)
    places = list(range(len(text)))
    for secrets in _PASSES:
        secret_texts = list(secrets(text))
        text, before = _without(text, secret_texts), places
        places, at = [], 0
        for start, end in secret_texts:
            places += before[at:start] + [before[start]] * len(HIDDEN)
            at = end
        places += before[at:]
    ends = list(accumulate(map(len, pieces)))
    out = [""] * len(pieces)
    for char, place in zip(text, places, strict=True):
        out[bisect_right(ends, place)] += char
    return [mask(piece) for piece in out]  # a name may also begin where a piece does


def mask_cut(text: str, most: int) -> str:
    """The beginning of a text, without secrets: what is cut first may lose what tells that it is one."""
    return mask(text)[:most]


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    out, at = [], 0
    for start, end in spans:
        out += [text[at:start], HIDDEN]
        at = end
    return "".join([*out, text[at:]]) if out else text


def _known_ones(text: str) -> Iterator[tuple[int, int]]:
    """Where the secrets of this run stand, whole or with line ends and other controls in them."""
    if not _known:
        return iter(())
    values = sorted(_known, key=len, reverse=True)
    return _spans(re.compile("|".join(r"[\x00-\x1f]*".join(map(re.escape, value)) for value in values)))(text)


def mask_urls(text: str) -> str:
    """The text without logins in URLs, and without what follows the question mark of one that is fetched.

    >>> mask_urls("GET https://token@host/f.bin?sig=abc#sha256=12 from rfc2217://me:pw@shelf:1?ign_set_control")
    'GET https://***@host/f.bin?***#sha256=12 from rfc2217://***@shelf:1?ign_set_control'
    """
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\1{HIDDEN}", _LOGIN.sub(rf"\1{HIDDEN}", text))


def masked(value: Any) -> Any:
    """Whatever JSON can hold, each text of it masked, and whatever has the name of a secret."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict | Mapping):  # the first is asked for fast
        return {
            mask(str(key)): HIDDEN if isinstance(item, str) and item and is_secret(str(key)) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value


def without_login(source: str) -> str:
    """A source's text without user name and password.

    >>> without_login("https://me:secret@example.org/fw.bin"), without_login("socket://token@shelf:1")
    ('https://example.org/fw.bin', 'socket://shelf:1')
    """
    return source if "@" not in source else re.sub(r"(?i)^([a-z][a-z0-9+.-]*://)[^/?#@]*@", r"\1", source)


def without_query(url: str) -> str:
    """A URL with a digest in place of its query, which may be a signature: the same query gives the same text.

    >>> without_query("https://example.org/fw.bin?sig=abc")
    'https://example.org/fw.bin?query=sha256:6f62c728bf0e5de3'
    """
    parts = urlsplit(url)
    if not parts.query or parts.query.startswith("query=sha256:"):
        return url
    digest = hashlib.sha256(parts.query.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return urlunsplit(parts._replace(query=f"query=sha256:{digest}"))


def _pairs(text: str) -> Iterator[tuple[int, int]]:
    text, begin = _with_short_words(text), 0
    while pair := _PAIR.search(text, begin):
        begin = pair.end()  # a value may be a pair itself: `wifi: psk=…`
        value = _VALUE.match(text, begin) if _may_name_a_secret(pair) else None
        if value is None or _is_a_sentence(pair, value[0]):
            continue
        begin = value.end()
        bare = value[0][:1] not in {'"', "'", "\\"}
        if bare and value[0].startswith(HIDDEN):
            continue
        if bare and _parts(pair["name"]) & _LONG:
            more = _MORE.match(text, begin)
            begin = more.end() if more else begin
        yield value.start(), begin
        torn = _TORN.match(text, begin) if bare else None
        if torn:
            begin = torn.end(1)
            yield torn.span(1)


def _with_short_words(text: str) -> str:
    r"""The text with something else in place of what can be no name.

    >>> _with_short_words("a" * 90 + "=b") == "a" * 20 + "\1" * 4 + "a" * 66 + "=b"
    True
    """
    return _LONG_WORD.sub(lambda word: f"{word[1]}{chr(1) * (len(word[0]) - 86)}{word[2]}", text)


def _named(text: str) -> Iterator[tuple[int, int]]:
    """Values behind a name with nothing but space between them, where the name can hardly be a word of a sentence."""
    text, begin = _with_short_words(text), 0
    while match := _NAMED.search(text, begin):
        begin = match.end("name")
        name, value = match["name"], match["value"]
        if not is_secret(name) or not (match["lead"] or _stands_for_itself(name, quoted=value[:1] in {'"', "'", "\\"})):
            continue
        if value.lower() in _PLAIN_WORDS or value.startswith(HIDDEN):
            continue
        begin = match.end()
        yield match.start("value"), begin


def _stands_for_itself(name: str, *, quoted: bool) -> bool:
    """Whether a name is more than an English word: compound and ending in what is secret, or one of the plain ones."""
    parts = _ordered_parts(name)
    if quoted and name.lower() in _LONG:
        return True
    one_word = len(parts) == 1 and name.lower() not in _PLAIN_PARTS
    compound = len(parts) > 1 and is_secret(parts[-1]) and not (parts[-1] == "pass" and parts[-2] in _FILTERS)
    return one_word or compound


def _spaced(text: str) -> Iterator[tuple[int, int]]:
    for match in _SPACED.finditer(text):
        if match["value"].lower() not in _PLAIN_WORDS and not match["value"].startswith(HIDDEN):
            yield match.span("value")


def _elements(text: str) -> Iterator[tuple[int, int]]:
    return (match.span("value") for match in _ELEMENT.finditer(text) if is_secret(match["name"]))


def _may_name_a_secret(pair: re.Match[str]) -> bool:
    if pair["sep"].strip() != ",":
        return is_secret(pair["name"])
    return pair["name"].lower() in _PLAIN_PARTS or (bool(pair["open"]) and is_secret(pair["name"]))


def _is_a_sentence(pair: re.Match[str], value: str) -> bool:
    """Whether what stands behind a name and a comma only goes on with a sentence."""
    return pair["sep"].strip() == "," and pair["sep"] != "," and not pair["open"] and value.lower() in _GOES_ON


def _parts(name: str) -> frozenset[str]:
    return frozenset(_ordered_parts(name))


def _ordered_parts(name: str) -> list[str]:
    humps = name if name.islower() else re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return [part.lower() for part in re.split(r"[^A-Za-z]+", humps) if part]


@lru_cache(maxsize=512)
def is_secret(name: str) -> bool:
    """Whether a name is one of something secret, such as wifi_password."""
    lower, parts = name.lower(), _parts(name)
    return (
        bool(parts & _PLAIN_PARTS)
        or parts >= {"session", "id"}
        or (lower.endswith(_ENDINGS) and lower not in _NO_SECRETS)
    )


def _spans(pattern: re.Pattern[str], group: int = 0) -> _Pass:
    """What finds the secrets of a pattern: all of the match, or what is behind that group of it."""

    def spans(text: str) -> Iterator[tuple[int, int]]:
        for match in pattern.finditer(text):
            start = match.end(group) if group else match.start()
            if start < match.end():
                yield start, match.end()

    return spans


_PASSES: Final[tuple[_Pass, ...]] = (
    _known_ones,
    _spans(_PRIVATE_KEY, 1),
    _spans(_TOKEN),
    _spans(_CALL, 1),
    _elements,
    _spans(_LOGIN, 1),
    _spans(_QUERY, 1),
    _spans(_BEARER, 2),
    _spans(_NETWORK, 2),
    _pairs,
    _named,
    _spaced,
    _spans(_SPOKEN, 1),
)
"""One after the other: each looks at what the ones before it have left."""
