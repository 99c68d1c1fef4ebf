import shutil
from pathlib import Path

import pytest

from atoll.server import lifecycle


def test_the_state_is_shared_again_after_its_folder_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(lifecycle.VARIABLE, str(tmp_path / "run" / "orders.state"))
    lifecycle.set_state("ready")
    shutil.rmtree(tmp_path / "run")

    lifecycle.set_state("draining")

    assert lifecycle.state() == "draining"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["orders.state"]
