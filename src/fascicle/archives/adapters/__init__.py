"""The forms that releases come in, each read into the same manifest and the same catalogue."""
