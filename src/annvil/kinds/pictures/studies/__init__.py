"""Studies: what one kind of network has and another lacks, measured on the user's own data beside the comparison."""
