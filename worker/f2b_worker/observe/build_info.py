"""Which f2b works here, among the metrics of worker and shim: the one that one makes, the other finds made."""

from importlib.metadata import version

from prometheus_client import Gauge

from f2b_worker.observe.shared import count_by_name

count_by_name()

build_info = Gauge(
    "f2b_build_info",
    "Always 1; the label has the version of f2b that works here",
    ["version"],
    multiprocess_mode="livemax",
)
build_info.labels(version("f2b-worker")).set(1)
