"""What runs without a queue: the replay of an old log, and the import of fail2ban's configuration."""
