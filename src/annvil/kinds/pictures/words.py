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
    example_python="pictures as a path, a folder, an array, or a list of these",
    data=("pictures", "a set of pictures"),
    has_columns=False,
    sources="pictures (a folder, zip, npz or idx files, a table of paths)",
    new="pictures or a folder of them",
)
