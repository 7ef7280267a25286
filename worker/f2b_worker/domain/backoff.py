"""How long to wait before something that failed is tried again."""

BACKOFF_MAX_S = 5.0


def backoff_s(failures: int) -> float:
    """Tell how long to wait after so many failures in a row: 0.1 s doubled each time, and five seconds at most."""
    # Where the doubling ends it is past the bound; a float cannot take it through an outage of an hour and a half.
    return min(BACKOFF_MAX_S, 0.1 * float(2 ** min(failures, 10)))
