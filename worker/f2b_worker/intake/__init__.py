"""The loop that makes bans out of messages: receive, read, sort by offender, judge, settle."""
