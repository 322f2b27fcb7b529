"""`model promote` and `rollback`: a class or version that is not there is named, with those that are."""

import pytest

from linewright.settings.loading import load
from linewright.settings.template import write_template
from linewright.training import promote_version, roll_back
from plant.errors import QuestionError


@pytest.fixture
def site(tmp_path):
    return load(write_template(tmp_path), {})


@pytest.mark.parametrize("name", ["presss", "../../etc"])
def test_an_unknown_class_is_answered_with_the_plants_classes(site, name):
    for ask in (
        lambda: promote_version(site, machine_class=name, version="x", by="Ada"),
        lambda: roll_back(site, machine_class=name, by="Ada"),
    ):
        with pytest.raises(QuestionError, match="one of the plant's machine classes: press"):
            ask()


@pytest.mark.parametrize("version", ["20260101T000000Z-00000000", "../.."])
def test_an_unknown_version_is_answered_with_those_that_are_registered(site, version):
    with pytest.raises(QuestionError, match=r"a registered version of press.*none yet"):
        promote_version(site, machine_class="press", version=version, by="Ada")


def test_without_an_earlier_version_the_current_one_stays(site):
    assert roll_back(site, machine_class="press", by="Ada") == "press has no earlier version to go back to."
