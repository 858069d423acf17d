"""What the things of a folder of pictures are called."""

from annvil.text.words import Words

WORDS = Words(
    row="picture",
    rows="pictures",
    features="pictures",
    raw="from raw pixels to prediction; pictures of another size are brought to its form first",
    holes="pixels black",
    explaining="Explaining the model",
    example="new-pictures",
)
