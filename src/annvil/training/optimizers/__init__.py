"""Optimisers over flat arrays, schedules, averages and accumulated gradients."""
