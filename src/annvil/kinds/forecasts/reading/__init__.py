"""From tables to series with moments, and to origins."""
