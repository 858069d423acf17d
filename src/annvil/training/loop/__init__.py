"""The loop: members in packs, packs among workers, epoch after epoch."""
