"""From files, tables and arrays to series."""
