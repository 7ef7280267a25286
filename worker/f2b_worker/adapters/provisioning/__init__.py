"""Makes what a fleet needs in AWS, and checks that it is there."""
