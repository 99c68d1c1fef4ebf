from collections.abc import Iterator

import pytest

from load.tests.shop import Shop, serving


@pytest.fixture
def shop() -> Iterator[Shop]:
    with serving(Shop()) as there:
        yield there
