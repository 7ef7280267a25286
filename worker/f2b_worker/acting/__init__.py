"""What people do to a fleet, done once: commands and pages do the same things, and the audit tells who did."""
