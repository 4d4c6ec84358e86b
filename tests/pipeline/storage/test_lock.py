"""One build at a time in an output folder."""

import pytest

from pipeline.errors import DatasetError
from pipeline.storage.lock import exclusive


def test_a_second_build_is_refused_until_the_first_ends(tmp_path):
    with exclusive(str(tmp_path)), pytest.raises(DatasetError, match="Another build"), exclusive(str(tmp_path)):
        pass
    with exclusive(str(tmp_path)):
        pass


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path, where):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DatasetError, match="Nothing can be written to"), exclusive(str(tmp_path / where)):
        pass
    assert (tmp_path / "file").read_text() == "mine"
