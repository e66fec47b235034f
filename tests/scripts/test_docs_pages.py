"""Pages of the documentation that are made from code: rooms, the README's table, config keys."""

import re

import pytest

from scripts import docs_pages
from tests.test_layers import ROOMS


def test_the_table_of_rooms_is_that_of_the_layer_test() -> None:
    assert docs_pages.rooms() == ROOMS
    assert tuple(re.findall(r"^\| \d+ \| `(\w+)/` \|", docs_pages.room_table(), re.MULTILINE)) == ROOMS


def test_a_room_without_a_sentence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_pages, "rooms", lambda: (*ROOMS, "attic"))
    with pytest.raises(LookupError, match="attic"):
        docs_pages.room_table()


def test_the_home_page_has_the_table_of_the_readme() -> None:
    table = docs_pages.mini_table()
    assert table.startswith("| tokenizer |") and "`ground_truth`" in table and "<!--" not in table


def test_keys_outside_groups_are_listed_with_their_comments() -> None:
    page = docs_pages.index_page(["tokenizer"])
    assert re.search(r"^\| `seed` \| `0` \| \S", page, re.MULTILINE)
    assert "| `part` | `null` |" in page and "[`tokenizer`](tokenizer.md)" in page


def test_every_group_has_a_page_with_the_fields_of_its_classes() -> None:
    pytest.importorskip("griffe", reason="make docs installs griffelib")
    pages = docs_pages.config_pages()
    groups = {path.name for path in docs_pages.CONF.iterdir() if path.is_dir()} - {"hydra"}
    assert set(pages) == groups | {"launcher", "index"}
    assert "| `codebook_size` | `int` |" in pages["tokenizer"]
    assert "`encode_precision`" in pages["tokenizer"]  # a field of the base class
    assert "| `spec` |" not in pages["tokenizer"]  # a property
    assert "`num_cpus`" not in pages["launcher"] and "hydra/launcher=slurm_gpu" in pages["launcher"]
