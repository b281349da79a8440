"""What travels between a robot and a policy server, as pure functions of bytes. numpy and msgpack only, no torch."""
