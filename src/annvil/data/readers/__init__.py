"""Any file or frame → raw columns, nothing decided about them; and how a value becomes a number, a date or a label."""
