"""Networks to go on from: made by `annvil pretrain`, kept in a folder, taken from a bundle or from somebody else."""
