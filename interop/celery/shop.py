"""The application of the check: what a worker does, and where its tasks wait."""

import os
import signal
import time

from celery import Celery
from celery.exceptions import Reject
from kombu import Exchange, Queue

NAME = os.environ.get("SHOP_NAME", "shop")  # of the run
FAILED, URGENT = f"{NAME}-failed", f"{NAME}-urgent"

app = Celery("shop", broker=f"pyamqp://guest:guest@127.0.0.1:{os.environ['AMQP_PORT']}//")
app.conf.update(
    result_backend=os.environ.get("SHOP_RESULTS", "rpc://"),
    task_default_queue=NAME, task_default_exchange=NAME, task_default_routing_key=NAME,
    task_queues=[
        Queue(NAME, Exchange(NAME), NAME, queue_arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": FAILED}),
        Queue(URGENT, Exchange(NAME), URGENT, max_priority=9)],
    task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False, broker_connection_retry=True,
    broker_transport_options={"confirm_publish": True, "interval_start": 0.1})


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def third_time_lucky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task
def when_it_ran():
    return time.time()


@app.task(bind=True)
def killed_once(self):
    """Its process dies of it the first time; the task comes again, to another one."""
    if not self.request.delivery_info["redelivered"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@app.task
def refused():
    raise Reject("cannot be done", requeue=False)


@app.task
def write_down(path, line):
    with open(path, "a") as file:
        file.write(line + "\n")


@app.task
def hold(gate, path, line):
    """Writes down when the gate is there."""
    deadline = time.monotonic() + 60
    while not os.path.exists(gate):
        assert time.monotonic() < deadline, "nobody opened the gate"
        time.sleep(0.02)
    write_down(path, line)
