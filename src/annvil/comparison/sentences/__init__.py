"""The verdict in sentences that a domain expert understands; every number in them stands in the records too."""
