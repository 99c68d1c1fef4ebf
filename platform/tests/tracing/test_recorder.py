"""Which spans a process keeps, and the bounds on them."""

from atoll.tracing.recorder import BURST_S, MAX_QUEUED, RING, Record, Recorder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made(trace: str = "a", *, sampled: bool = False, error: str = "", ms: int = 1, number: int = 0) -> Record:
    return Record(
        trace * 32, f"{number:016x}", "", "", "GET /orders", "server", number, ms * 1000, error, sampled, {}
    )


def names(recorder: Recorder) -> list[tuple[str, int]]:
    return [(span.trace_id[0], span.started_us) for span in recorder.take(MAX_QUEUED)]


def test_spans_of_a_sampled_trace_are_kept():
    recorder = Recorder()
    recorder.keep(made("a", sampled=True))
    recorder.keep(made("b"))
    assert names(recorder) == [("a", 0)]


def test_a_failed_span_is_kept_with_its_trace_although_the_trace_is_not_sampled():
    recorder = Recorder()
    recorder.keep(made("a", number=1))
    recorder.keep(made("b", number=2))
    recorder.keep(made("a", number=3, error="500"))
    assert sorted(names(recorder)) == [("a", 1), ("a", 3)]


def test_a_slow_span_is_kept():
    recorder = Recorder(slow_ms=200)
    recorder.keep(made("a", ms=199))
    recorder.keep(made("b", ms=200))
    assert names(recorder) == [("b", 0)]


def test_a_trace_that_another_process_saw_fail_is_kept_once():
    recorder = Recorder()
    for number in range(4):
        recorder.keep(made("ab"[number % 2], number=number))
    recorder.keep_traces({"a" * 32})
    recorder.keep_traces({"a" * 32})
    assert names(recorder) == [("a", 0), ("a", 2)]


def test_old_spans_leave_the_ring():
    recorder = Recorder()
    for number in range(3):
        recorder.keep(made("a", number=number))
    recorder.forget_ring_before(2)
    recorder.keep_traces({"a" * 32})
    assert names(recorder) == [("a", 2)]


def test_new_traces_are_sampled_up_to_a_rate():
    clock = Clock()
    recorder = Recorder(traces_per_s=2, clock=clock)
    assert sum(recorder.sample() for _ in range(1000)) == 2 * BURST_S
    clock.now += 10
    assert sum(recorder.sample() for _ in range(1000)) == 20


def test_failures_are_kept_up_to_a_rate():
    recorder = Recorder(clock=Clock())
    for number in range(10_000):
        recorder.keep(made("a", error="500", number=number))
    assert len(names(recorder)) < 3_000


def test_a_full_queue_drops_spans_and_counts_them():
    recorder = Recorder()
    for number in range(MAX_QUEUED + 7):
        recorder.keep(made("a", sampled=True, number=number))
    assert recorder.dropped == 7
    assert len(names(recorder)) == MAX_QUEUED


def test_the_ring_is_bounded():
    recorder = Recorder()
    for number in range(RING + 5):
        recorder.keep(made("a", number=number))
    recorder.keep_traces({"a" * 32})
    assert len(names(recorder)) == RING


def test_the_first_span_after_a_silence_is_told():
    told: list[int] = []
    recorder = Recorder(on_first=lambda: told.append(1))
    recorder.keep(made("a", sampled=True))
    recorder.keep(made("a", sampled=True))
    assert len(told) == 1
    names(recorder)
    recorder.sleep_if_empty(lambda: None)
    recorder.keep(made("a", sampled=True))
    assert len(told) == 2
