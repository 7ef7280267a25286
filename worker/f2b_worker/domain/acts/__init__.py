"""What people do to bans by hand: lift, ban, allow, pause. All of it is remembered."""
