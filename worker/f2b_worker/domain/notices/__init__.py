"""Notices: of what people are told, and how many events become one message."""
