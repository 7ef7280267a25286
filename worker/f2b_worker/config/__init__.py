"""What comes in from people: options, environment and the jails file, checked once at the edge."""
