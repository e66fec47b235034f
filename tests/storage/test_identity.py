"""What keys call classes: a declared uid, and never two classes by one name."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from benchmark.errors import UserError
from benchmark.jobs.compose import CONF
from benchmark.storage.identity import describe, uid_of


def test_a_class_from_elsewhere_is_called_by_its_module() -> None:
    class Own:
        pass

    assert uid_of(Own) == f"{__name__}.{Own.__qualname__}"
    assert uid_of(Own) == uid_of(Own)


def test_a_class_of_the_package_is_called_by_its_name_alone_so_that_its_file_can_move() -> None:
    inside = type("Inside", (), {"__module__": "benchmark.somewhere", "__qualname__": "Inside"})
    assert uid_of(inside) == "Inside"


def test_a_declared_uid_stays_and_is_not_inherited() -> None:
    class Declared:
        uid: ClassVar[str] = "an old name"

    class Heir(Declared):
        pass

    assert uid_of(Declared) == "an old name"
    assert uid_of(Heir).endswith("Heir")


def test_two_classes_with_one_uid_are_refused() -> None:
    @dataclass
    class First:
        uid: ClassVar[str] = "taken"

    @dataclass
    class Second:
        uid: ClassVar[str] = "taken"

    assert describe(First()) == {"class": "taken"}
    with pytest.raises(UserError, match=r"'taken' names two classes, .*First and .*Second"):
        describe(Second())
    again = type("First", (), {"__module__": __name__, "__qualname__": First.__qualname__, "uid": "taken"})
    assert uid_of(again) == "taken"  # the same class, imported once more


def test_every_tokenizer_and_corpus_of_the_package_declares_its_uid() -> None:
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    targets = {
        OmegaConf.load(path).get("_target_")
        for group in ("tokenizer", "dataset")
        for path in (CONF / group).glob("*.yaml")
    } - {None}
    uids = [vars(get_class(target)).get("uid") for target in targets]
    assert None not in uids and len(set(uids)) == len(targets) > 30
