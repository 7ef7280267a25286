"""The ban log: how changes of bans, written in any order under numbers, become what every reader knows."""
