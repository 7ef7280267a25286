"""Infractions out of log files, found by fail2ban's own failregex lines."""
