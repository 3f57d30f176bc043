"""A folder of rendered files: what was changed by hand is seen, and kept."""

from __future__ import annotations

import pytest

from celeriac.deploy.folder import LEDGER, RenderedFolder, Written
from celeriac.errors import DeployError

FILES = {"a.yaml": "a: 1\n", "sub/b.yaml": "b: 1\n"}


def folder(tmp_path, target="compose") -> RenderedFolder:
    return RenderedFolder(tmp_path, target)


@pytest.fixture
def rendered(tmp_path):
    folder(tmp_path).write(FILES)
    return tmp_path


def code_of(tmp_path, files, **options) -> str:
    with pytest.raises(DeployError) as refused:
        folder(tmp_path).write(files, **options)
    return refused.value.code


def test_files_are_written_and_told_apart(rendered):
    assert (rendered / "sub" / "b.yaml").read_text() == "b: 1\n"
    again = folder(rendered).write({**FILES, "a.yaml": "a: 2\n", "c.yaml": "c: 1\n"})
    assert again == Written(new=("c.yaml",), changed=("a.yaml",), same=("sub/b.yaml",))


def test_what_is_rendered_no_more_is_removed(rendered):
    assert folder(rendered).write({"a.yaml": "a: 1\n"}).removed == ("sub/b.yaml",)
    assert not (rendered / "sub" / "b.yaml").exists()


def test_what_was_changed_by_hand_is_never_overwritten(rendered):
    (rendered / "a.yaml").write_text("a: mine\n")
    assert code_of(rendered, {**FILES, "a.yaml": "a: 2\n", "sub/b.yaml": "b: 2\n"}) == "DEPLOY-002"
    assert (rendered / "a.yaml").read_text() == "a: mine\n"
    assert (rendered / "sub" / "b.yaml").read_text() == "b: 1\n"  # nothing of it was written


def test_what_was_changed_by_hand_is_not_removed_either(rendered):
    (rendered / "sub" / "b.yaml").write_text("b: mine\n")
    assert code_of(rendered, {"a.yaml": "a: 1\n"}) == "DEPLOY-002"


def test_a_file_that_was_never_rendered_is_somebodys(tmp_path):
    (tmp_path / "a.yaml").write_text("a: mine\n")
    assert code_of(tmp_path, FILES) == "DEPLOY-002"


def test_a_change_by_hand_that_rendering_makes_too_is_none(rendered):
    (rendered / "a.yaml").write_text("a: 2\n")
    assert folder(rendered).write({**FILES, "a.yaml": "a: 2\n"}).same == ("a.yaml", "sub/b.yaml")


def test_force_overwrites(rendered):
    (rendered / "a.yaml").write_text("a: mine\n")
    folder(rendered).write(FILES, force=True)
    assert (rendered / "a.yaml").read_text() == "a: 1\n"


def test_a_file_that_was_deleted_is_written_again(rendered):
    (rendered / "a.yaml").unlink()
    assert folder(rendered).write(FILES).new == ("a.yaml",)


def test_targets_share_a_folder(rendered):
    folder(rendered, "systemd").write({"x.service": "x\n"})
    assert folder(rendered).write(FILES) == Written(same=("a.yaml", "sub/b.yaml"))


def test_differences_are_shown_as_a_diff(rendered):
    (rendered / "a.yaml").write_text("a: mine\n")
    lines = list(folder(rendered).differences({"a.yaml": "a: 1\n", "c.yaml": "c: 1\n"}))
    assert "-a: mine" in lines
    assert "+a: 1" in lines
    assert "--- /dev/null" in lines
    assert "+++ /dev/null" in lines
    assert list(folder(rendered).differences({**FILES, "a.yaml": "a: mine\n"})) == []


def test_a_ledger_that_cannot_be_read_is_said_with_what_follows(rendered):
    (rendered / LEDGER).write_text("{")
    with pytest.raises(DeployError, match="DEPLOY-005"):
        folder(rendered)


def test_a_file_that_is_no_text_is_not_read_as_one(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    assert code_of(tmp_path, FILES) == "DEPLOY-004"


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "sub").write_text("a file where a folder should be")
    assert code_of(tmp_path, {"sub/b.yaml": "b\n"}) in {"DEPLOY-003", "DEPLOY-004"}
