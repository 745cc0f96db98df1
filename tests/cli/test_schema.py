"""`flashpipe schema`: what editors and programs get."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from flashpipe.cli import schema
from flashpipe.jobs.new_profile import schema_text, write_profile
from flashpipe.profile.keys import ALL_KEYS, CHECKS
from flashpipe.profile.schema import _VALUES, FILE


@pytest.mark.parametrize("name", ["profile", *schema.COMMITTED])
def test_each_is_a_schema(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert schema.main([name]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validators.validator_for(found).check_schema(found)


def test_every_key_is_in_it_and_says_what_it_is() -> None:
    assert set(_VALUES) == set(CHECKS)
    top = json.loads(schema_text())
    for key in ALL_KEYS:
        found = top
        for name in key.split("."):
            sections = [found, *found.get("anyOf", ())]
            found = next(one["properties"][name] for one in sections if "properties" in one)
        assert len(found["description"]) > 10, key


def test_a_new_profile_has_it_beside_it_unless_somebodys_own_file_lies_there(tmp_path: Path) -> None:
    write_profile(tmp_path / "kitchen.yaml", "extends: esp12\n", dodo=False)
    assert (tmp_path / FILE).read_text() == schema_text()
    (tmp_path / FILE).write_text("mine")
    write_profile(tmp_path / "other.yaml", "extends: esp12\n", dodo=False)
    assert (tmp_path / FILE).read_text() == "mine"
