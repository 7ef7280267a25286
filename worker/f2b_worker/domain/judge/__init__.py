"""What an infraction leads to: whether it counts, and whether its offender is banned, until when."""
