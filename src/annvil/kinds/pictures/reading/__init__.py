"""Pictures from folders, archives, tables of labels and arrays, decoded once into uint8."""
