"""What a table's things are called."""

from annvil.text.words import Words

WORDS = Words()
