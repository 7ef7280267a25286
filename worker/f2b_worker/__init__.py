"""fail2ban for a fleet: the worker that judges infractions and keeps WAF IP sets equal to the bans."""
