"""Labels: what is printed, where, and that none is lost."""

from __future__ import annotations

import csv
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError, LabelError, PrinterError
from flashpipe.records.station_lives import living
from flashpipe.station import labels as labels_module
from flashpipe.station.labels import LabelPlan, Labels, check_labels, read_template, send, values_of, zpl_of
from flashpipe.station.report import as_csv

from tests.station.conftest import Shop, address, board


def passed(shop: Shop, mac: int, station: str = "", **unit: str) -> None:
    """A good board, as the log tells it."""
    batch = shop.batch()
    batch.append("begin", **{"try": str(mac)}, visit=str(mac), station=station)
    batch.append("found", **{"try": str(mac)}, mac=address(mac), row=unit.get("serial", ""), unit=unit)
    batch.append("end", **{"try": str(mac)}, outcome="flashed", passed=True, mac=address(mac), measured={"temp": 21.5})


def test_every_way_of_printing_has_each_good_board_once(shop: Shop) -> None:
    opened = shop.open(
        serial="SN{n:03}", labels="labels.csv", zpl="labels.zpl", label_page="labels.html", qr="https://shop/@serial@"
    )
    passed(shop, 1, serial="SN001")
    passed(shop, 2, serial="SN002")
    labels = Labels(opened.labels, opened.batch, opened.texts)
    assert labels.print_due() == ""
    assert labels.print_due() == ""
    rows = list(csv.DictReader((shop.folder / "labels.csv").read_text().splitlines()))
    assert [(row["serial"], row["mac"], row["batch"], row["temp"]) for row in rows] == [
        ("SN001", address(1), "one", "21.5"),
        ("SN002", address(2), "one", "21.5"),
    ]
    zpl = (shop.folder / "labels.zpl").read_text()
    assert zpl.count("^XA") == zpl.count("^XZ") == 2
    assert "https://shop/SN002" in zpl
    page = (shop.folder / "labels.html").read_text()
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "http" not in page.partition("<body>")[0]


def test_what_a_file_holds_of_another_batch_or_of_somebody_else_is_not_replaced(shop: Shop) -> None:
    opened = shop.open(labels="labels.csv", label_page="labels.html")
    passed(shop, 1)
    assert Labels(opened.labels, opened.batch, opened.texts).print_due() == ""
    shop.open(labels="labels.csv", label_page="labels.html")  # the same batch goes on
    held = {name: (shop.folder / name).read_bytes() for name in ("labels.csv", "labels.html")}
    with pytest.raises(BadValueError, match="batch one"):
        shop.open(batch="two", labels="labels.csv")
    with pytest.raises(BadValueError, match="batch one"):
        shop.open(batch="two", label_page="labels.html")
    (shop.folder / "units.csv").write_text("serial,room\nSN1,kitchen\n")
    with pytest.raises(BadValueError, match="is left as it is"):
        shop.open(batch="two", labels="units.csv")
    (shop.folder / "index.html").write_text("<title>mine</title>")
    with pytest.raises(BadValueError, match="is left as it is"):
        shop.open(batch="two", label_page="index.html")
    assert {name: (shop.folder / name).read_bytes() for name in held} == held
    assert not (shop.records / "batches" / "two").exists()


def test_a_printer_that_is_off_is_said_once_and_its_labels_follow(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    opened = shop.open(zpl=f"socket://127.0.0.1:{port}")
    labels = Labels(opened.labels, opened.batch, opened.texts)
    passed(shop, 1)
    assert "printer" in labels.print_due()
    assert labels.print_due() == ""
    passed(shop, 2)
    heard = list[bytes]()
    with socket.create_server(("127.0.0.1", port)) as server:

        def listen() -> None:
            for _ in range(2):
                line, _ = server.accept()
                with line, line.makefile("rb") as stream:
                    heard.append(stream.read())

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        assert labels.print_due().endswith("2")
        thread.join(30)
    assert [address(mac).encode() in label for mac, label in zip((1, 2), heard, strict=True)] == [True, True]
    assert (labels.due(), labels.left()) == ([], "")


def test_a_label_that_cannot_be_printed_keeps_no_other_one_back(shop: Shop) -> None:
    (shop.folder / "label.zpl").write_text("^XA^FD@serial@^FS^XZ")
    opened = shop.open(serial="SN{n}", zpl="out.zpl", label="label.zpl")
    labels = Labels(opened.labels, opened.batch, opened.texts)
    passed(shop, 1, serial="A^1")
    passed(shop, 2, serial="A2")
    told = labels.print_due()
    assert (LabelError.code in told, address(1) in told) == (True, True)
    assert (shop.folder / "out.zpl").read_text() == "^XA^FDA2^FS^XZ"
    assert labels.print_due() == ""
    assert "1" in labels.left()


def test_labels_of_another_bench_come_out_there_until_it_is_gone(shop: Shop) -> None:
    opened = shop.open(zpl="out.zpl")
    with living(opened.batch.folder) as other:
        passed(shop, 1, station=other)
        passed(shop, 2, station="mine")
        labels = Labels(opened.labels, opened.batch, opened.texts, "mine")
        labels.print_due()
        assert address(1) not in (shop.folder / "out.zpl").read_text()
    labels.print_due()
    assert (shop.folder / "out.zpl").read_text().count("^XA") == 2


def test_a_board_that_comes_again_gets_no_second_label(shop: Shop) -> None:
    with shop.shift(zpl="out.zpl") as shift:
        shift.visit("a", board(1))
        shift.pull("a")
        shift.visit("a", board(1))
    assert (shop.folder / "out.zpl").read_text().count("^XA") == 1


def test_no_port_waits_for_a_printer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    printing, goes_on = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        printing.set()
        assert goes_on.wait(60)

    monkeypatch.setattr(labels_module, "send", slow)
    with shop.shift(zpl="labels.zpl") as shift:
        try:
            assert shift.visit("1", board(1)).state == "pass"
            assert printing.wait(60)
            shift.pull("1")
            assert shift.visit("1", board(2)).state == "pass"
        finally:
            goes_on.set()
    assert len(shop.batch().state.labelled) == 2


@pytest.mark.skipif(os.name != "posix", reason="devices of POSIX")
def test_a_device_that_takes_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "PRINTER_S", 0.01)
    os.mkfifo(tmp_path / "lp")
    with pytest.raises(PrinterError):  # nobody is at the other end
        send(str(tmp_path / "lp"), "^XA^XZ")
    reader = os.open(tmp_path / "lp", os.O_RDONLY | os.O_NONBLOCK)
    try:
        send(str(tmp_path / "lp"), "^XA^XZ")
        assert os.read(reader, 100) == b"^XA^XZ"
        with pytest.raises(PrinterError, match="takes nothing"):
            send(str(tmp_path / "lp"), "x" * (1 << 21))
    finally:
        os.close(reader)


def test_characters_of_the_printer_are_no_commands(shop: Shop) -> None:
    opened = shop.open(serial="SN{n:03}")
    passed(shop, 1, serial="A^XZ~JR_")
    row = opened.batch.refresh().rows()[0]
    text = zpl_of(opened.labels, values_of(opened.batch, row, opened.labels))
    assert "A_5EXZ_7EJR_5F" in text
    with pytest.raises(LabelError):
        zpl_of(replace(opened.labels, template="^XA^FD@serial@^FS^XZ"), values_of(opened.batch, row, opened.labels))


@pytest.mark.parametrize("template", ["@serail@", "@", "^FDa@b^FS"])
def test_an_unknown_field_is_refused_before_the_first_board(shop: Shop, template: str) -> None:
    (shop.folder / "label.zpl").write_text(template)
    with pytest.raises(LabelError):
        shop.open(serial="SN{n}", label="label.zpl")
    assert not (shop.records / "batches" / "one").exists()


@pytest.mark.parametrize(
    ("word", "text"),
    [("qr", "@qr@"), ("labels", "no/x.csv"), ("zpl", "socket://printer"), ("zpl", "socket://a:b"), ("zpl", "no/x")],
)
def test_a_place_where_nothing_can_be_printed_is_refused(shop: Shop, word: str, text: str) -> None:
    with pytest.raises((LabelError, BadValueError)):
        shop.open(None, **{word: text})


def test_labels_are_added_to_a_file_of_labels_and_to_nothing_else(shop: Shop) -> None:
    before = (shop.folder / "sensor.yaml").read_bytes()
    for name, words in (("sensor.yaml", "is no file of labels"), (".", "is a folder")):
        with pytest.raises(BadValueError, match=words):
            shop.open(zpl=name)
    assert (shop.folder / "sensor.yaml").read_bytes() == before
    for text in ("", "^XA^XZ\n", "\n~JA"):
        (shop.folder / "out.zpl").write_text(text)
        shop.open(zpl="out.zpl")
    (shop.folder / "own.txt").write_text("! 0 200 @unit@")
    (shop.folder / "out.zpl").write_text("! 0 200 A1")
    shop.open(zpl="out.zpl", label="own.txt")


def test_a_value_of_a_unit_is_no_formula_for_a_spreadsheet(shop: Shop) -> None:
    opened = shop.open(serial="SN{n}", labels="labels.csv")
    passed(shop, 1, serial="=1+1")
    batch, measured = shop.batch(), {"=x": "@9", "temp": "-4.5", "sum": "+1-1"}
    batch.append("begin", **{"try": "2"}, visit="2")
    batch.append("end", **{"try": "2"}, outcome="flashed", passed=True, mac=address(1), measured=measured)
    Labels(opened.labels, opened.batch, opened.texts).print_due()
    for text in ((shop.folder / "labels.csv").read_text(), as_csv(shop.batch())):
        head, row = csv.reader(text.splitlines())
        assert {"'@9", "-4.5", "'+1-1"} <= set(row)
        assert "'=x" in head
        assert [cell for cell in (*head, *row) if cell[:1] in {"=", "@"}] == []


def test_a_template_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"none\.zpl"):
        read_template(tmp_path / "none.zpl")
    check_labels(LabelPlan(columns=("room",), qr="@room@ @@"))
