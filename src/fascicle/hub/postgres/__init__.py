"""Django's PostgreSQL, with what a hub needs beyond; Django loads ``base`` by its name."""
