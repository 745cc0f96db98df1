"""`flashpipe batch` and `flashpipe report`: what a batch was, proven, and shown."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flashpipe.records.manifest import _end, _links
from flashpipe.records.prune import PruneRule, old_receipts
from flashpipe.station.report import as_csv, unit_page

from tests.harness import Done
from tests.station.conftest import Shop, address, board

Command = Callable[..., Done]


@pytest.fixture
def worked(shop: Shop) -> Shop:
    """Two good boards, one bad one, one that never answered."""
    with shop.shift(serial="SN{n:03}", stop_after="0") as shift:
        shift.plug("a", board(1))
        shift.plug("b", board(2))
        shift.plug("c", board(3, "fill=ff&fault=stuck-sector:0x0"))
        shift.plug("d", board(4, "fill=ff&fault=absent"))
        for place in "abcd":
            shift.end(place)
    return shop


def manifest(shop: Shop) -> Path:
    return shop.records / "batches" / "one" / "manifest.json"


def change(path: Path, how: Callable[[Any], None]) -> None:
    found = json.loads(path.read_text())
    how(found)
    path.write_text(json.dumps(found))


def with_first_run(name: str, value: object) -> Callable[[Any], None]:
    return lambda made: made["runs"][0].update({name: value})


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"} or name.startswith("on")]


def test_a_batch_is_closed_proven_and_reported(worked: Shop, command: Command) -> None:
    refused = command("batch", "close", "one").failed("batch-mismatch")
    assert "next: `flashpipe batch close one virtual=1`" in refused.err
    assert not manifest(worked).exists()
    done = command("batch", "close", "one", "virtual=1").ok()
    assert "2 good boards" in done.out
    assert "chain" in command("batch", "verify", str(manifest(worked))).ok().out
    made = json.loads(manifest(worked).read_text())
    assert made["counts"] == {"passed": 2, "failed": 2, "silent": 1, "aside": 0}
    assert (made["virtual"], len(made["runs"])) == (True, 4)
    assert [entry["passed"] for entry in made["boards"]] == [False, False, True, True]
    command("batch", "close", "one", "virtual=1").failed("batch-closed")
    command("station", "profile=sensor", "batch=one").failed("batch-closed")
    folder = manifest(worked).parent / "report"
    text = (folder / "one.html").read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert page.links == []
    assert page.tags.count("svg") == 3
    assert all(word in text for word in ("50.0%", address(1), "no answer", "virtual", "SN00"))
    assert len(list((folder / "units").glob("*.html"))) == 3
    rows = list(csv.DictReader((folder / "one.csv").read_text().splitlines()))
    assert [row["result"] for row in rows] == ["bad", "bad", "good", "good"]
    assert "" not in {row["serial"] for row in rows[2:]}
    assert {row["unit"] for row in rows[:2]} == {""}, "bad boards have given their units back"
    assert json.loads((folder / "one.json").read_text())["passed"] == 2
    assert "closed" in command("batch", "list").ok().out


def test_what_a_jig_calls_as_the_report_does_takes_nothing_from_it(shop: Shop) -> None:
    batch = shop.open().batch
    batch.append("begin", **{"try": "1"}, visit="1", place="hub 1")
    unit = {"serial": "A1", "mac": "", "port": "COM9"}
    batch.append("found", **{"try": "1"}, mac=address(1), row="A1", unit=unit)
    measured = {"result": "great", "serial": "fake", "volts": 3.3, "mac": "none"}
    batch.append(
        "end", **{"try": "1"}, outcome="verify-failed", passed=False, mac=address(1), seconds=3.0, measured=measured
    )
    (one,) = batch.state.rows()
    head, row = csv.reader(as_csv(batch).splitlines())
    assert len(set(head)) == len(head)
    told = dict(zip(head, row, strict=True))
    assert (told["result"], told["mac"], told["serial"], told["port"]) == ("bad", address(1), "A1", "hub 1")
    assert (told["result (measured)"], told["serial (measured)"], told["port (unit)"]) == ("great", "fake", "COM9")
    assert "<dt>result</dt><dd>bad</dd>" in unit_page(batch, one)
    assert "<dt>result (measured)</dt><dd>great</dd>" in unit_page(batch, one)


def test_whatever_is_changed_breaks_the_proof(worked: Shop, command: Command) -> None:
    command("batch", "close", "one", "virtual=1").ok()
    path, receipts = manifest(worked), sorted((worked.records / "receipts").glob("*.json"))
    kept = path.read_text()

    def broken(words: str) -> None:
        assert re.search(words, command("batch", "verify", str(path)).failed("batch-mismatch").err)
        path.write_text(kept)

    change(path, lambda made: made["runs"].pop())
    broken("chain does not end.*not in the manifest")
    change(path, lambda made: made["runs"].reverse())
    broken("chain breaks")
    change(path, lambda made: made.update(profile="other"))
    broken("chain breaks")
    change(path, lambda made: made["boards"][0].update(passed=True))
    broken("called good")
    change(path, lambda made: made["boards"][-1]["values"].update(serial="SN999"))
    broken("other values")
    change(path, lambda made: made["counts"].update(passed=3))
    broken("counts 3")
    change(path, lambda made: made.update(boards=made["boards"][2:], counts={**made["counts"], "failed": 0}))
    broken("board 5c:[0-9a-f:]+ is left out.*counts 0 boards as failed, its runs 2")
    change(path, lambda made: made["counts"].update(silent=0))
    broken("counts 0 boards as silent, its runs 1")
    change(path, lambda made: made.update(virtual=False))
    broken("virtual: false")
    change(path, lambda made: made["boards"][1].update(measured={"temp": 20}))
    broken("other values")
    change(path, lambda made: made["boards"][1].update(mac=address(9)))
    broken(f"{address(9)} is called bad, and no run says so")
    change(path, lambda made: made["boards"].append(made["boards"][-1]))
    broken("called good, and no run")
    change(path, lambda made: made["boards"][-1].update(unit="SN999"))
    broken("called good, and no run")
    for name, other in (("unit", "SN999"), ("ended", "2026-01-01T00:00:00.000Z"), ("passed", True), ("more", 1)):
        change(path, with_first_run(name, other))
        broken("chain breaks at try")
    change(path, lambda made: made["boards"][0].update(cause="none"))
    broken("chain does not end")
    change(path, lambda made: made.update(more=1))
    broken("chain does not end")
    text = receipts[0].read_bytes()
    receipts[0].write_bytes(text.replace(b"flashpipe", b"flashpipE", 1))
    broken("was changed")
    receipts[0].unlink()
    broken("No such file")
    receipts[0].write_bytes(text)
    command("batch", "verify", str(path)).ok()
    (worked.folder / "x.json").write_text("[]")
    command("batch", "verify", "x.json").failed("record")
    change(path, lambda made: made["runs"][0].pop("chain"))
    command("batch", "verify", str(path)).failed("record")


def test_whoever_makes_the_chain_anew_is_found_by_the_receipts(worked: Shop, command: Command) -> None:
    command("batch", "close", "one", "virtual=1").ok()
    path = manifest(worked)
    kept = path.read_text()

    def forged(how: Callable[[Any], None], words: str) -> None:
        def whole(made: Any) -> None:
            how(made)
            for run, link in zip(made["runs"], _links(made), strict=True):
                run["chain"] = link
            made["chain"] = _end(made, made["runs"][-1]["chain"])

        change(path, whole)
        assert re.search(words, command("batch", "verify", str(path)).failed("batch-mismatch").err)
        path.write_text(kept)

    def good(made: Any) -> None:
        bad = next(run for run in made["runs"] if run["mac"] == address(3))
        bad["passed"] = True
        next(one for one in made["boards"] if one["mac"] == address(3)).update(passed=True)
        made["counts"].update(passed=3, failed=1)

    def flashed(made: Any) -> None:
        good(made)
        for one in (*made["runs"], *made["boards"]):
            one.update(outcome="flashed") if one["mac"] == address(3) else None

    forged(good, "is called good, and ended verify-failed")
    forged(flashed, "says outcome verify-failed")
    forged(lambda made: made.update(virtual=False), "virtual: false")
    forged(lambda made: made["runs"].pop(), "is of the batch and not in the manifest")


def test_receipts_lie_beside_the_manifest_or_where_it_is_said(
    worked: Shop, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("batch", "close", "one", "virtual=1").ok()
    copy = tmp_path / "copy.json"
    shutil.copy(manifest(worked), copy)
    assert "one" in command("batch", "list", f"records={worked.records}").ok().out
    command("batch", "verify", str(copy)).ok()
    command("batch", "verify", str(manifest(worked)), f"records={tmp_path / 'no'}").failed("batch-mismatch")
    monkeypatch.setenv("FLASHPIPE_RECORDS", str(tmp_path / "elsewhere"))
    command("batch", "verify", str(manifest(worked))).ok()
    refused = command("batch", "verify", str(copy)).failed("batch-mismatch")
    assert f"by the receipts in {tmp_path / 'elsewhere' / 'receipts'}" in refused.err
    change(copy, lambda made: made.update(format="flashpipe-manifest/1"))
    assert "of another flashpipe" in command("batch", "verify", str(copy)).failed("record").err


def test_a_report_goes_into_a_folder_or_nowhere(worked: Shop, command: Command) -> None:
    for to, why in (("sensor.bin", "cannot be a folder"), ("sensor.bin/x", "no folder"), ("no/x", "no folder")):
        assert why in command("batch", "report", "one", f"to={to}").failed("bad-value").err
    command("batch", "report", "one", "to=pages").ok()
    assert (worked.folder / "pages" / "one.html").is_file()


def test_a_batch_that_cannot_be_proven_stays_open(worked: Shop, command: Command) -> None:
    receipt, *_ = (worked.records / "receipts").glob("*flashed.json")
    shutil.copy(receipt, receipt.with_name("copy.json"))
    refused = command("batch", "close", "one", "virtual=1").failed("batch-mismatch")
    assert "copy.json is of the batch and not in the manifest" in refused.err
    assert not manifest(worked).exists()
    assert not worked.batch().state.closed
    receipt.with_name("copy.json").unlink()
    command("batch", "close", "one", "virtual=1").ok()


def test_a_label_is_printed_again_for_a_board(worked: Shop, command: Command) -> None:
    text = command("batch", "label", "one", f"mac={address(1)}").ok().out
    assert text.startswith("^XA")
    assert address(1) in text
    command("batch", "label", "one", f"mac={address(2).upper()}", "zpl=again.zpl").ok()
    assert (worked.folder / "again.zpl").read_text().count("^XA") == 1
    command("batch", "label", "one", f"mac={address(3)}").failed("no-batch")
    command("batch", "label", "two", f"mac={address(1)}").failed("no-batch")


@pytest.mark.usefixtures("worked")
def test_report_has_boards_that_never_answered_and_failures_first(command: Command) -> None:
    told = json.loads(command("report", "format=json", "since=today").ok().out)
    assert [row["mac"] for row in told["boards"]][:2] == ["", address(3)]
    assert {row["batch"] for row in told["boards"]} == {"one"}
    assert len(json.loads(command("report", "format=json", "batch=one").ok().out)["boards"]) == 4
    command("report", "format=json", "batch=two").failed("no-batch")
    port = told["boards"][1]["port"]
    assert [row["mac"] for row in json.loads(command("report", "format=json", f"port={port}").ok().out)["boards"]] == [
        address(3)
    ]
    assert "no answer on sim://" in command("report").ok().out
    command("report", "since=2026-02-31").failed("bad-value")


def test_receipts_of_a_batch_are_not_pruned(worked: Shop) -> None:
    assert old_receipts(worked.records / "receipts", PruneRule(0.0, 1), 4e9) == []


@pytest.mark.parametrize("words", [("close",), ("verify", "a", "b"), ("list", "x"), ("close", "one", "x=1")])
def test_a_wrong_word_is_refused_in_one_line(shop: Shop, command: Command, words: tuple[str, ...]) -> None:
    done = command("batch", *words)
    assert done.status == 3
    assert "Traceback" not in done.err
    assert not (shop.records / "batches").exists()
