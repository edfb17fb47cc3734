"""What the clients know: what was confirmed, what was settled with an answer, what was seen.

Players write into it from their threads, one statement per fact; after a crash it is compared
with what the queues hold.  A body is b"publisher:number:rest", numbers growing per publisher.
"""

import threading

HEAVY = b"heavy".ljust(1000, b".")


def brief(body):
    """What stands in the books for a body with many HEAVY; any other body is as it is."""
    head, mark, rest = body.partition(HEAVY)
    count = 1 + len(rest) // len(HEAVY)
    if not mark or rest != HEAVY * (count - 1):
        return body
    return head + b"heavy %d" % (count * len(HEAVY))


class Book:
    """One queue.  Sets of bodies."""

    def __init__(self):
        self.sent = set()  # on its way here: may be there
        self.confirmed = set()  # must be there, unless it is in settling
        self.transient = set()  # may be there until the process ends
        self.settling = set()  # a settlement was sent: may be gone
        self.read = set()  # the settlement was read by the broker: gone after a clean stop
        self.gone = set()  # must never come again
        self.seen = set()  # was out: comes back as redelivered
        self.loaned = set()  # is out
        self.first_seen = {}  # publisher -> highest number that was seen


class Transaction:
    """Its results, and the messages that it settled."""

    def __init__(self, sources, results):
        self.sources, self.results = sources, results  # lists of (queue, body)
        self.is_answered = False


def publisher_of(body):
    name, number, _ = body.split(b":", 2)
    return name, int(number)


class Ledger:
    def __init__(self):
        self.books = {}
        self.transactions = []
        self.definitions = {}  # queue name -> "there", "gone", or "either"
        self.broken = []
        self.is_ending = threading.Event()  # errors of connections are expected
        self.counts = {}

    def book(self, queue):
        return self.books.setdefault(queue, Book())

    def complain(self, text):
        if len(self.broken) < 20:
            self.broken.append(text)

    def count(self, what, n=1):
        self.counts[what] = self.counts.get(what, 0) + n

    # --- facts

    def sending(self, queues, body, is_persistent=True):
        for queue in queues:
            book = self.books[queue]
            (book.sent if is_persistent else book.transient).add(body)

    def confirmed(self, queues, body):
        self.count("confirmed")
        for queue in queues:
            book = self.books[queue]
            if body not in book.transient:
                book.confirmed.add(body)

    def delivered(self, queue, body, redelivered):
        book = self.books[queue]
        self.count("delivered")
        if body in book.gone:
            self.complain(f"{queue}: {body[:40]} was settled with an answer and came again")
        if body in book.loaned:
            self.complain(f"{queue}: {body[:40]} is out twice")
        if body not in book.sent and body not in book.transient:
            self.complain(f"{queue}: nobody sent {body[:40]}")
        if body in book.seen:
            if not redelivered:
                self.complain(f"{queue}: {body[:40]} came again without redelivered")
        else:
            self.first_delivery(book, queue, body)
        book.seen.add(body)
        book.loaned.add(body)

    def first_delivery(self, book, queue, body):
        name, number = publisher_of(body)
        if number <= book.first_seen.get(name, -1):
            self.complain(f"{queue}: {body[:40]} came after {book.first_seen[name]}")
        book.first_seen[name] = number

    def settling(self, queue, bodies):
        self.books[queue].settling.update(bodies)
        self.books[queue].loaned.difference_update(bodies)

    def returned(self, queue, body):
        self.books[queue].loaned.discard(body)

    def settled(self, queue, bodies):
        self.count("settled", len(bodies))
        self.books[queue].gone.update(bodies)

    # --- after a restart

    def compare(self, held, was_clean=False):
        """held: queue -> [(body, redelivered), ...] in order.  What it says becomes known."""
        for queue, book in self.books.items():
            self.compare_queue(queue, book, held[queue], was_clean)
        self.compare_transactions({q: {b for b, _ in rows} for q, rows in held.items()})
        for queue, book in self.books.items():
            reconcile(book, {body for body, _ in held[queue]})

    def compare_queue(self, queue, book, rows, was_clean):
        bodies = {body for body, _ in rows}
        self.report(queue, "confirmed and not settled, but missing",
                    book.confirmed - book.settling - book.gone - bodies)
        self.report(queue, "settled with an answer, but there", book.gone & bodies)
        self.report(queue, "transient, but there", book.transient & bodies)
        self.report(queue, "never sent", bodies - book.sent - book.transient - book.gone)
        self.report(queue, "out before, but not redelivered",
                    {body for body, redelivered in rows if not redelivered} & book.seen)
        if was_clean:
            self.report(queue, "its settlement was read before the close, but there",
                        book.read & bodies)
        if len(bodies) != len(rows):
            self.complain(f"{queue}: {len(rows) - len(bodies)} are there more than once")
        latest = {}
        for body, _ in rows:
            name, number = publisher_of(body)
            if number <= latest.get(name, -1):
                self.complain(f"{queue}: {body[:40]} stands behind {latest[name]}")
            latest[name] = number
        self.count("compared", len(rows))

    def compare_transactions(self, held):
        for transaction in self.transactions:
            there = [body in held[queue] for queue, body in transaction.results]
            left = [body in held[queue] for queue, body in transaction.sources]
            lost = [body for queue, body in transaction.sources
                    if body in self.books[queue].confirmed and body not in held[queue]]
            name = transaction.results[0][1][:40]
            if any(there) and not all(there):
                self.complain(f"transaction {name}: {sum(there)} of {len(there)} results are there")
            if any(there) and any(left):
                self.complain(f"transaction {name}: took effect, but its sources are there")
            if transaction.is_answered and not all(there):
                self.complain(f"transaction {name}: committed, but not there")
            if not any(there) and lost:
                self.complain(f"transaction {name}: did not take effect, but its sources are gone")
        self.count("transactions", len(self.transactions))
        self.transactions = []

    def report(self, queue, what, bodies):
        if bodies:
            some = b", ".join(sorted(body[:40] for body in bodies)[:3]).decode()
            self.complain(f"{queue}: {len(bodies)} {what}: {some}")


def reconcile(book, bodies):
    """What is there is known to be there; what is not can never come again."""
    book.gone |= (book.sent | book.transient) - bodies
    book.sent, book.confirmed, book.seen = set(bodies), set(bodies), set(bodies)
    book.transient, book.settling, book.read, book.loaned = set(), set(), set(), set()
