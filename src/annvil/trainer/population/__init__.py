"""Many candidates and folds trained together: where they come from and how they are judged."""
