"""How dates and numbers are written: years first, as in the names of sessions."""
