"""Why a model predicts what it predicts, by methods that work on any model."""
