"""The conformance suite on every transport of the bus."""

from collections.abc import Iterator

import pytest

from atoll import conf
from atoll.testing.broker_transports import RabbitMQUnderTest, RedisUnderTest
from atoll.testing.conformance import Conformance
from atoll.testing.transports import MemoryUnderTest, TransportUnderTest

from .conftest import _answers, _rabbitmq_url


def rabbitmq_url() -> str:
    url = _rabbitmq_url()
    if not _answers(url):
        if conf.flag("ATOLL_REQUIRE_RABBITMQ"):
            pytest.fail("no RabbitMQ answers here, and ATOLL_REQUIRE_RABBITMQ asks for one")
        pytest.skip("no RabbitMQ answers here")
    return url


def opened(transport: TransportUnderTest) -> Iterator[TransportUnderTest]:
    yield transport
    transport.close()


class TestMemory(Conformance):
    @pytest.fixture
    def transport(self) -> Iterator[TransportUnderTest]:
        yield from opened(MemoryUnderTest())


class TestRabbitMQ(Conformance):
    @pytest.fixture
    def transport(self) -> Iterator[TransportUnderTest]:
        yield from opened(RabbitMQUnderTest(rabbitmq_url()))


class TestRabbitMQWithQuorumQueues(Conformance):
    @pytest.fixture
    def transport(self) -> Iterator[TransportUnderTest]:
        yield from opened(RabbitMQUnderTest(rabbitmq_url(), queue_type="quorum"))


class TestEmbedded(Conformance):
    """Valkey or a Redis server, through the bus's Redis transport."""

    @pytest.fixture
    def transport(self) -> Iterator[TransportUnderTest]:
        yield from opened(RedisUnderTest(conf.redis_url()))
