"""What people see of a running worker: log lines and counters."""
