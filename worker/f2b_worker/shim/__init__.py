"""The HTTP shim for clients of the old service: a GET becomes a message in the queue."""
