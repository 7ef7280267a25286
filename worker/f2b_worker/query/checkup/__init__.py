"""What `f2b doctor` looks at: each check says nothing if all is well, and else what is wrong and what to do."""
