"""Studies of finished runs of series: what memory is worth."""
