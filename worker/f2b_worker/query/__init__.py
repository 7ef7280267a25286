"""What people ask of a fleet, answered once: commands and pages show the same numbers."""
