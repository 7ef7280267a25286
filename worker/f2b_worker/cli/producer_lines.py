"""What each line of the producer's log means, and what to do. A line without a meaning fails a test."""

from __future__ import annotations

from f2b_worker.cli.log_meanings import ENDS_BY_ITSELF, REPORT_IT, Meaning

PRODUCER: dict[str, Meaning] = {
    "cannot send, will go on trying: %s (%d infractions buffered)": Meaning(
        "SQS does not take what is sent. Infractions wait in the buffer.", ENDS_BY_ITSELF
    ),
    "can send again": Meaning("SQS takes infractions again."),
    "buffer full: dropping the oldest infractions (see Stats.dropped)": Meaning(
        "The buffer is full, so the oldest infractions are lost.",
        "look why they are not sent; `max_buffered` makes room for a longer outage",
    ),
    "dropped %d infractions that the queue calls malformed: %s": Meaning(
        "SQS refuses a message for good.",
        "look whether the queue's URL and its policy are right; tell us the reason",
    ),
    "refused a report, logged once for each reason: %s": Meaning(
        "A call of `report()` has a wrong value, or came when none is taken.",
        "correct the call that the reason names",
    ),
    "%s with %d infractions unsent%s: %s": Meaning(
        "The process ended, or the producer was closed, before all was sent.",
        "look why SQS did not take it; give the process longer to stop",
    ),
    "%s runs no exit hooks at SIGTERM, so what waits then is lost without a word: %s": Meaning(
        "This application server ends its processes without a chance to send.", "do what the line says"
    ),
    "this process has made %d producers for %s: make one when it starts, and keep it. Each has a thread and an SQS"
    " client of its own, which takes 1 MB and 50 ms of CPU": Meaning(
        "The application makes a producer for each request, or the like.", "make one at the start"
    ),
    "cannot start the sending thread: %s": Meaning(
        "The system gives the process no more threads. It is tried again.", "raise the limit of threads"
    ),
    "the sending thread has ended, the next report starts another": Meaning(
        "A defect ended the thread.", REPORT_IT
    ),
    "unexpected error, going on": Meaning("A defect that the sending thread survived.", REPORT_IT),
    "cannot send now: this uWSGI runs no threads. Set enable-threads = true. Until then reports are sent when"
    " a worker"
    " stops": Meaning("uWSGI runs without threads.", "set `enable-threads = true`"),
    "forking although boto3 has been loading for %.0f s: the child may be unable to send. Call warm_up()"
    " before you"
    " fork": Meaning("The process forks while boto3 is loaded.", "call `warm_up()` before the fork"),
    "the application has no lifespan, so f2b answers the server: %r": Meaning(
        "The ASGI application does not answer the server's start and stop, so f2b does."
    ),
    "stands on this ground: %s": Meaning("In which server the producer runs, as far as it can tell."),
}
"""By the line, with its gaps as `logging` has them."""
