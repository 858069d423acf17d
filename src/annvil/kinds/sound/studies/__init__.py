"""What can be measured on a finished run of sound."""
