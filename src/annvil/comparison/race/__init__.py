"""The anytime race: who fits next, what it costs, when it ends."""
