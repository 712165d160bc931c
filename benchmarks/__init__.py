"""Commands that write what docs/ shows: pictures and measurements."""
