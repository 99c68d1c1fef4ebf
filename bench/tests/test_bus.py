import subprocess
import sys

from bench.bus import queues, ratios


def test_a_ratio_needs_both_figures():
    figures = {"handler_runs_per_s": 600, "celery_noop_per_s": 1000, "latency_p50_ms": 7.0}
    assert ratios.to_noop(figures) == {"handler_to_noop": 0.6}


def test_ratios_to_another_revision_leave_out_what_one_of_them_lacks():
    ours = {"relay_per_s": 300, "relay_publishes": None, "new": 5}
    assert ratios.to_other(ours, {"relay_per_s": 100, "relay_publishes": 2, "old": 1}) == {"relay_per_s": 3.0}


def test_without_rabbitmqctl_the_queues_that_stay_are_named(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    queues.delete("amqp://127.0.0.1:9//", "bench-1.")
    assert "bench-1.* stay at the broker" in capsys.readouterr().err


def test_a_stopped_benchmark_runs_its_clean_up():
    script = (
        "import os, time; from bench import ending; ending.exit_on_sigterm()\n"
        "try:\n print('ready', flush=True); time.sleep(60)\n"
        "finally:\n os.kill(os.getpid(), 15); print('cleaned')"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    process.terminate()
    assert process.communicate()[0] == "cleaned\n"
    assert process.returncode == 143
