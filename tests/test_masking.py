"""Secrets in texts, in every form that boards, tools and people give them; and what is no secret stays."""

from __future__ import annotations

import json
import time

import pytest
from flashpipe import masking
from flashpipe.masking import HIDDEN, mask, mask_cut, mask_pieces, mask_urls, masked, without_query
from hypothesis import example, given
from hypothesis import strategies as st

SECRET = "hunter22"
FORMS = (
    f"wifi_password={SECRET}",
    f"mqtt_pass: {SECRET}",
    f"api_key: {SECRET}",
    f'accessToken="{SECRET}"',
    f"Bearer {SECRET}",
    f"Authorization: Basic {SECRET}",
    *(f"{scheme} {SECRET}" for scheme in ("Basic", "digest", "NEGOTIATE")),
    f"Authorization: Bearer {SECRET}",
    f"psk {SECRET}",
    f"psk={SECRET}",
    f'"sta_ssid":"{SECRET}"',
    f'{{"staSsid": "my {SECRET} net"}}',
    f"connecting to {SECRET}",
    f"connected with {SECRET}, channel 6",
    f"connected to ssid {SECRET}",
    f"joining {SECRET}\n",
    f"X-Api-Key: {SECRET}",
    f'{{\\"pwd\\":\\"{SECRET}\\"}}',
    f'wifi.sta.config("home","{SECRET}")',
    f'wifi.sta.config{{ssid="home", pwd="{SECRET}"}}',
    f'wifi.ap.config({{ssid="x", pwd="{SECRET}"}})',
    f"http://{SECRET}@host/x",
    f"http://user:{SECRET}@host/x",
    f"rfc2217://user:{SECRET}@host:4000",
    f"socket://{SECRET}@host:4000",
    f"https://host/f.bin?X-Amz-Signature={SECRET}&a=b",
    f"https://host/f.bin?{SECRET}",
    f"password is {SECRET}",
    f"SSID: the {SECRET} net, channel 6",
    f"PASS=correct {SECRET} battery",
    f"export MQTT_PASSWORD={SECRET}",
    f"--password={SECRET}",
    f"mypassword={SECRET}",
    f"wifi: passphrase={SECRET}",
    f"pwd='two {SECRET}'",
    f"token = {SECRET})",
    f"client-secret: {SECRET}",
    f"Password:{SECRET}",
    f"ssid,{SECRET}",
    f'{{"ssid","{SECRET}"}}',
    f"WPA2 psk: '{SECRET}'",
    f"auth={SECRET};",
    f"db.credentials={SECRET}",
    f"GITHUB_TOKEN={SECRET}",
    f'cfg["pass"]="{SECRET}"',
    f"cfg['pwd'] = '{SECRET}'",
    f"password[0]={SECRET}",
    *(f"{name}={SECRET}" for name in ("wifipass", "mqttpass", "adminpass", "wifipw", "accesskey", "keyphrase")),
    f"userpass: {SECRET}",
    f'#define WIFI_PASS "{SECRET}"',
    f'WIFI_PASS "{SECRET}"',
    f"setenv WIFI_PASS {SECRET}",
    f"--wifi-pass {SECRET}",
    f"--token {SECRET}",
    f"wifi_password {SECRET}",
    f"wifi_password is {SECRET}",
    f"mqttpassword {SECRET}",
    f'password "{SECRET}"',
    f"wifi pass {SECRET}",
    f"api key {SECRET}",
    f"access token: {SECRET}",
    f"bearer: {SECRET}",
    f"Bearer={SECRET}",
    f'{{"pass":["{SECRET}"]}}',
    f'{{"pass": ["x", "{SECRET}"]}}',
    f'password => "{SECRET}"',
    f"password|{SECRET}",
    f"password, {SECRET}",
    f"<pass>{SECRET}</pass>",
    f"<wifiKey>{SECRET}</wifiKey>",
    f"Connecting to: {SECRET}",
    f"reconnecting to {SECRET}",
    f"disconnected from {SECRET}",
    f"joined {SECRET}",
    f"\x1b[31mpassword\x1b[0m=\x1b[1m{SECRET}\x1b[0m",
    f"password%3D{SECRET}",
    f"SharedAccessSignature={SECRET}",
    f"X-Amz-Signature: {SECRET}",
    *(f"{name}={SECRET}" for name in ("jwt", "userJwt", "otp", "login_otp", "sig", "body-sig")),
    *(f"{name}={SECRET}" for name in ("sessionid", "PHPSESSIONID", "session_id", "sessionId")),
    f"AP name: {SECRET}",
    f"network name = the {SECRET} net",
    f"WiFi name:{SECRET}",
    f"lost connection to {SECRET}",
    f"lost the connection to AP {SECRET}",
    f"wifi_password\0={SECRET}",
    f'"sta_ssid"\0:\0"{SECRET}"',
)


def test_there_are_forty_of_them() -> None:
    assert len(set(FORMS)) >= 40


@pytest.mark.parametrize("text", FORMS)
def test_no_form_passes(text: str) -> None:
    for around in (text, f"I (123) app: {text}", f"\r\n{text}\r\n> ", json.dumps({"log": text})):
        assert SECRET not in mask(around), mask(around)
        assert HIDDEN in mask(around)
    assert SECRET not in json.dumps(masked({"log": [text, {"deep": text}], text: 1}))
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize("name", ["password", "wifi_pass", "apiKey", "sta_ssid", "Authorization", "psk"])
def test_a_field_with_the_name_of_a_secret_is_one(name: str) -> None:
    assert masked({name: SECRET, "other": "x"}) == {name: HIDDEN, "other": "x"}


@pytest.mark.parametrize(
    "text",
    [
        " ets Jan  8 2013,rst cause:2, boot mode:(3,6)",
        "load 0x40100000, len 24996, room 16 ",
        "epc1=0x40210003, epc2=0x00000000, depc=0x0",
        "NodeMCU 3.0.0.0 built with Docker; SDK 2.2.1",
        "next: reset=manual, port=COM3; say profile=kitchen",
        "receipt  .pipeline/receipts/20261129T180332380-5ccf7f9b02c4-skipped.json",
        "sim://esp12?flash=/tmp/x@y&mac=5c:cf:7f:00:00:01",
        "the board holds the image (MD5 of every fixed part equal)",
        "keyboard, monkeys and passed tests",
        "https://host/f.bin#sha256=" + "0" * 64,
        "flash: {size: 4MB, mode: dio}",
        "connecting to sim://esp12 at 115200 baud",
        "unknown key 'flash.modus'; did you mean 'flash.mode'?",
        "unexpected token 'end' near line 3",
        "wifi_password is not given",
        "nothing has a value for @wifi_password@",
        "a low-pass filter, pass-through wiring, bypass=1",
        "the api key is missing",
        "press a key to go on",
        "pin=4 signal=-60 sign: +, significant = 3, option=1, session: 12, id=5, sessions=2",
        "the file's name: main.lua, the network name is missing, name=kitchen",
        "lost connection, connection to sim://esp12 is back",
        "bad.yaml:2: foo: unknown key, want one of extends, about",
        "that is no token, say another; a key, which is missing; the password, where it is given",
        "failed to digest 0x00000..0x71000: no answer",
        "Digest mismatch, basic settings. Negotiate again",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


def test_a_url_that_was_made_plain_is_left_alone() -> None:
    url = without_query("https://host/f.bin?sig=1")
    assert without_query(url) == mask_urls(url) == mask(url) == url
    assert without_query("https://host/f.bin?sig=2") != url


@given(st.text(max_size=200))
def test_any_text_can_be_masked_and_stays_so(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@given(st.text("=:,\"'\\ ap\n", min_size=200, max_size=2000))
def test_hostile_texts_take_no_time(text: str) -> None:
    mask(text * 20)


@pytest.mark.parametrize(
    "text",
    [
        "TX and RX of the adapter are connected to each other, and no chip speaks",
        "take off what is connected to GPIO6 to GPIO11 (SD0 to SD3, CLK, CMD)",
    ],
)
def test_what_we_say_of_wires_is_the_name_of_no_network(text: str) -> None:
    assert mask(text) == text


def test_a_known_secret_is_taken_out_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {})
    for value in ("hunter2", "hunter2 and more", "abc"):
        masking.know_secret(value)
    assert masking.mask("room\thunter2 and more\thunter2; abcd") == "room\t***\t***; abcd"


@pytest.mark.parametrize(
    "text",
    [
        'AT+CWJAP="net","Sesame-1"',
        'AT+CWJAP_CUR="Sesame-1","x"',
        'WiFi.begin("net", "Sesame-1")',
        'otaPassword("Sesame-1")',
        "<password>Sesame-1</password>",
        "password -> Sesame-1",
        "'password': u'Sesame-1'",
        "pass phrase: Sesame-1",
        "Set-Cookie: sid=Sesame-1",
        "creds=Sesame-1",
        'load 0x3fm 0xwifi_password="Sesame-1"',
        "_password: Sesame-1",
        "x" * 100 + "password=Sesame-1",
        "-----BEGIN RSA PRIVATE KEY-----\nSesame-1\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_calls_elements_and_keys(text: str) -> None:
    assert "Sesame-1" not in mask(text)


@pytest.mark.parametrize("token", ["ghp_" + "a1" * 18, "AKIA" + "A1" * 8, "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln"])
def test_tokens_are_known_by_their_form(token: str) -> None:
    assert mask(f"got {token}, good") == "got ***, good"


@pytest.mark.parametrize(
    "piece",
    ["a.", "a-", "a=", "a://b", "http://", "password", "<password>", "psk: a ", "connect to ", "\\u0000", "pass=a\n"],
)
def test_no_text_takes_for_ever(piece: str) -> None:
    assert mask(piece * 5000)


@pytest.mark.parametrize("piece", ["x", "deadbeef.", "a=[", "http://"])
def test_a_long_line_without_spaces_is_masked_in_time(piece: str) -> None:
    """Minified pages, dumps and progress bars are such: each of these took 10 to 40 seconds."""
    began = time.monotonic()
    assert mask(piece * (200_000 // len(piece)) + " pwd=hunter2").endswith(" pwd=***")
    assert time.monotonic() - began < 8.0


@given(
    st.sampled_from(["", "x\x1b[31m", '"', "a=b,", "%3d", "\\x00"]),
    st.text("aB0_.-", max_size=200),
    st.sampled_from(["password", "wifi.pass", "mqtt-key"]),
    st.sampled_from(["=", " : ", "->", "%3d", "\\x00=", "=\x1b[31m"]),
    st.text("aB0_.-", min_size=1, max_size=200),
)
def test_whatever_word_a_name_ends_or_a_value_is_it_is_hidden(
    before: str, word: str, name: str, sep: str, value: str
) -> None:
    assert f"hunter{value}" not in mask(f"{before}{word}-{name}{sep}hunter{value}")


@pytest.mark.parametrize(
    "text",
    [
        'wifi_password="hunter2',
        "{'ssid': 'hunter2",
        '{\\"pwd\\":\\"hunter2',
        'wifi_password="hun\n> ter2"; print(1)',
        "psk='hun\r\nter2'",
        'boot mowifi_password="wifi_password="hunter2" and so on',
        'wifi_password=Fatal exception (28):\n"hunter2"\nready',
    ],
)
def test_neither_an_end_of_the_text_nor_a_line_end_opens_quotes(text: str) -> None:
    assert not {part for part in ("hun", "ter2") if part in mask(text)}


def test_quotes_that_are_not_closed_hide_their_own_line_only() -> None:
    assert mask('pwd="x\nload 0x40100000, len 24996\nready') == f"pwd={HIDDEN}\nload 0x40100000, len 24996\nready"


def test_a_known_secret_is_found_across_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {"hunter2 and more": 1})
    assert mask("it has hunter2 \r\nand\x00 more of it") == f"it has {HIDDEN} of it"


def test_a_text_is_masked_before_it_is_cut() -> None:
    assert mask_cut(f"see http://{SECRET}@host", 15) == "see http://***@"


@given(st.lists(st.text("abc xyz\n")))
def test_pieces_without_a_secret_stay_as_they_are(pieces: list[str]) -> None:
    assert mask_pieces(pieces) == pieces


@given(st.lists(st.sampled_from([*FORMS, "\n", "x", '"', "ssid", "=", "://"]), max_size=8), st.integers(1, 9))
def test_no_secret_passes_in_pieces(words: list[str], size: int) -> None:
    text = "\n".join(words)
    pieces = mask_pieces([text[at : at + size] for at in range(0, len(text), size)])
    assert len(pieces) == -(-len(text) // size)
    assert SECRET not in "".join(pieces)


WORDS = (
    *FORMS,
    "PaSs",
    "mqtt",
    "p_w",
    "Pw",
    "To\u212aen",
    "\u017fsid",
    "word",
    "ghp_",
    "A" * 24,
    "AKIA",
    "eyJ",
    "wifi.sta",
)
PIECES = (
    *WORDS,
    " ",
    "=",
    ":",
    ",",
    "->",
    "(",
    ")",
    "<",
    ">",
    "</",
    '"',
    "\\",
    "\n",
    "://",
    "@",
    "?",
    "is",
    "to",
    "joining",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_what_none_of_the_patterns_can_know_is_not_looked_at_and_all_else_is(text: str) -> None:
    assert mask(text) == masking._mask(text)


@given(st.text(max_size=19).filter(str.isalnum))
@example("AKIA234567890123456")
@example("ssidpasswordtoken")
def test_no_pattern_finds_a_secret_in_a_lone_word(text: str) -> None:
    assert masking._mask(text) == text
    assert mask(text) == text
