"""The contenders: one contract, simple ones and neural ones."""
