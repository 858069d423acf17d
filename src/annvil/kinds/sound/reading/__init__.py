"""Files, folders, tables, archives and arrays → clips of one rate."""
