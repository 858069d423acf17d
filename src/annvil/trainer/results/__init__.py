"""What a training leaves behind: tables, charts, predictions."""
