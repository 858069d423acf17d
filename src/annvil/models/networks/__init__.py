"""Networks as contenders: one search, its recipe, and bags and ensembles of what it trained."""
