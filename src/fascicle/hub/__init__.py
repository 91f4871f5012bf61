"""A lab's server: what clients of Alyx ask for, from a folder of files."""
