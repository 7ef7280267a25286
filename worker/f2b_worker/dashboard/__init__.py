"""The dashboard: what the commands show and do, in a browser. Read-only, unless somebody logs in."""
