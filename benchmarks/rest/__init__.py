"""One changed byte in each kind of file of a lake: who notices before it is used."""
