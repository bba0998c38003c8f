"""The vocabulary: the catalogue of signals, the batch they travel in, their units and words.

In: columns a protocol decoded. Out: the same columns, named, typed and rendered one way everywhere.
"""
