"""What studies of several kinds of data share: how sure one may be, how it is said, where fits are kept."""
