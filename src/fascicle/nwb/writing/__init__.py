"""Write an NWB file: its skeleton first, by pynwb, then the chunks of its arrays."""
