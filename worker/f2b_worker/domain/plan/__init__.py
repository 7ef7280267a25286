"""What an enforcer is to write: which bans belong into which IP set, and the updates that bring them there."""
