"""One table of what people, proxies and logs write for an address, and the address that every entrance reads."""

from __future__ import annotations

V4, V6 = "203.0.113.7", "2001:db8::7"

SPELLINGS: dict[str, str] = {
    V4: V4,
    f" {V4}": V4,
    f"{V4}\t": V4,
    f"\r\n{V4}\r\n": V4,
    f"\ufeff{V4}": V4,
    f"\ufeff {V4} ": V4,
    f"\u00a0{V4}": V4,
    f"{V4}:0": V4,
    f"{V4}:443": V4,
    f" {V4}:65535 ": V4,
    f"[{V4}]": V4,
    f"[{V4}]:25": V4,
    f"::ffff:{V4}": V4,
    f"::FFFF:{V4}": V4,
    f"::fFfF:{V4}:443": V4,
    "::ffff:cb00:7107": V4,
    "::FFFF:CB00:7107": V4,
    "0:0:0:0:0:ffff:cb00:7107": V4,
    f"0000:0000:0000:0000:0000:ffff:{V4}": V4,
    f"[::ffff:{V4}]": V4,
    f"[::FFFF:{V4}]:443": V4,
    "[::ffff:cb00:7107]:443": V4,
    V6: V6,
    "2001:DB8::7": V6,
    "2001:0db8:0000:0000:0000:0000:0000:0007": V6,
    "2001:db8::0.0.0.7": V6,
    f"\t{V6} ": V6,
    f"\ufeff{V6}": V6,
    f"[{V6}]": V6,
    f"[{V6}]:443": V6,
    f" [{V6}]:443 ": V6,
    "[2001:db8::0.0.0.7]:443": V6,
    "2001:db8::7:80": "2001:db8::7:80",
}

NO_ADDRESSES = (
    *("", " ", "\ufeff", "unknown", "-", "localhost", "example.com:80", "3405803783", "0xcb.0.113.7"),
    *(f"{V4}:", f"{V4}:http", f"{V4}:65536", f"{V4}:123456", f"{V4}:-1", f"{V4}:80:80", f"{V4}:\u0661"),
    *(f"{V4} {V4}", f"{V4};{V6}", f"{V4};", f'"{V4}"', f"{V4}\ufeff.", "203.0.113.007", "203.0.113.", "203.0.113"),
    *(f"[{V6}", f"{V6}]", f"[{V6}]443", f"[{V6}]:", f"[{V6}]:65536", f"[[{V6}]]", "[]", "[]:80", ":80", "["),
    f"{V4}/",
    *(f"{V4}/32", f"{V6}/64", f"[{V6}/64]:80", "10.0.0.0/8", "fe80::7%eth0", "[fe80::7%25eth0]:80", f"{V6}::7"),
)
"""What no entrance takes for an address: none, several, a range, or one with a zone."""
