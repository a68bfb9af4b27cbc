"""Shell scripts that run in users' containers, with a static busybox."""
